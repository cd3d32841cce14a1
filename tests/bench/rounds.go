package main

import (
	"fmt"
	"os"
	"slices"
	"strings"
	"time"
)

// measure takes all rounds, and then the overload.
func (b *bench) measure() error {
	for _, one := range b.cases {
		// Once unmeasured: connections are open, caches are full, memory is taken.
		one.target.closed(workers, b.throughput/2)
	}
	for number := range b.rounds {
		b.loads = append(b.loads, loadAverage())
		b.say("round %d of %d, load average %s", number+1, b.rounds, b.loads[number])
		for _, one := range b.cases {
			if err := b.round(one); err != nil {
				return fmt.Errorf("%s: %w", one.name, err)
			}
		}
		for _, one := range b.libraries {
			measured, err := one.process.measure(b.library.Seconds())
			if err != nil {
				return err
			}
			used, err := one.process.usage()
			if err != nil {
				return err
			}
			one.questions, one.resident = measured.Questions, used.resident
			one.cpuMicros = append(one.cpuMicros, measured.CPUSeconds*1e6/float64(measured.Passes*measured.Requests))
		}
	}
	b.say("a fixed rate")
	for _, one := range b.cases {
		if one.traffic == "mixed" && one.expect.same == "" && b.servers[one.server].of == stategate {
			if err := b.sized(one); err != nil {
				return fmt.Errorf("%s: %w", one.name, err)
			}
		}
	}
	b.say("overload")
	return b.overloaded()
}

// size is what a server takes at a rate that clusters have.
type size struct {
	Case     string  `json:"case"`
	Offered  float64 `json:"offered_per_second"`
	Cores    float64 `json:"cores"`
	Median   float64 `json:"median_us"`
	P99      float64 `json:"p99_us"`
	Resident uint64  `json:"resident_bytes"`
}

// sizedAt is a busy cluster: every write that stategate is asked about.
const sizedAt = 500

func (b *bench) sized(one *benchCase) error {
	server := b.servers[one.server]
	before, err := server.usage()
	if err != nil {
		return err
	}
	seen := one.target.open(sizedAt, 2*b.latency, patience)
	after, err := server.usage()
	if err != nil {
		return err
	}
	if err := seen.faults(); err != nil {
		return err
	}
	b.sizes = append(b.sizes, size{
		Case: one.name, Offered: sizedAt, Cores: after.since(before).Seconds() / float64(seen.requests) * sizedAt,
		Median: micros(seen.latencies.Quantile(0.5)), P99: micros(seen.latencies.Quantile(0.99)), Resident: after.resident,
	})
	return nil
}

// round measures a case once: first what it can do, then how long an answer takes at half of that.
func (b *bench) round(one *benchCase) error {
	server := b.servers[one.server]
	before, err := server.usage()
	if err != nil {
		return err
	}
	full := one.target.closed(workers, b.throughput)
	after, err := server.usage()
	if err != nil {
		return err
	}
	if err := full.faults(); err != nil {
		return err
	}
	cpu := after.since(before).Seconds()
	if cpu == 0 {
		return fmt.Errorf("%d requests took no time of a core: the round is too short", full.requests)
	}
	requests := float64(full.requests)
	taken := round{
		perSecond: requests / full.took.Seconds(),
		perCore:   requests / cpu,
		cpuMicros: cpu * 1e6 / requests,
		resident:  after.resident,
	}
	taken.offered = taken.perSecond / 2
	half := one.target.open(taken.offered, b.latency, patience)
	if err := half.faults(); err != nil {
		return err
	}
	taken.median, taken.p99 = micros(half.latencies.Quantile(0.5)), micros(half.latencies.Quantile(0.99))
	one.rounds = append(one.rounds, taken)
	return nil
}

func micros(time time.Duration) float64 { return float64(time.Nanoseconds()) / 1e3 }

// overload is what happens at twice the capacity, and after.
type overload struct {
	Case     string  `json:"case"`
	Capacity float64 `json:"capacity_per_second"`
	Offered  float64 `json:"offered_per_second"`
	Sent     float64 `json:"sent_per_second"`
	Seconds  float64 `json:"seconds"`
	// By status, or error.
	Answers []answers `json:"answers"`
	// The longest that anybody waited.
	LongestMicros float64 `json:"longest_us"`
	// At half of the capacity right after the overload.
	RecoveredAfter float64 `json:"recovered_after_ms"`
	RecoveredP99   float64 `json:"recovered_p99_us"`
	Before         uint64  `json:"resident_before"`
	Peak           uint64  `json:"resident_during"`
	After          uint64  `json:"resident_after"`
	AfterSeconds   float64 `json:"resident_after_seconds"`
}

type answers struct {
	Answer string  `json:"answer"`
	Count  int     `json:"count"`
	Median float64 `json:"median_us"`
	P99    float64 `json:"p99_us"`
}

// overloadCase is the one that costs the server most for each request, so that the load generator, which shares the
// cores, has enough of them left to send twice the capacity.
const overloadCase = "catalogue, containers-16"

// overloaded offers a server twice as much as it can do.
func (b *bench) overloaded() error {
	var one *benchCase
	for _, known := range b.cases {
		if known.name == overloadCase {
			one = known
		}
	}
	server := b.servers[one.server]
	// Now, since the rounds were some time ago.
	full := one.target.closed(workers, 2*b.throughput)
	if err := full.faults(); err != nil {
		return err
	}
	usual := one.target.open(float64(full.requests)/full.took.Seconds()/2, b.latency, patience)
	if err := usual.faults(); err != nil {
		return err
	}
	before, err := server.usage()
	if err != nil {
		return err
	}
	found := &overload{Case: one.name, Capacity: float64(full.requests) / full.took.Seconds(), Before: before.resident}
	found.Offered = 2 * found.Capacity
	peak := make(chan uint64)
	done := make(chan struct{})
	go func() {
		highest := before.resident
		for {
			select {
			case <-done:
				peak <- highest
				return
			case <-time.After(50 * time.Millisecond):
				if used, err := server.usage(); err == nil {
					highest = max(highest, used.resident)
				}
			}
		}
	}()
	seen := one.target.open(found.Offered, b.overload, patience)
	close(done)
	found.Peak = <-peak
	found.Seconds, found.Sent = seen.sending.Seconds(), float64(seen.requests)/seen.sending.Seconds()
	for _, answer := range slices.Sorted(keys(seen.counts)) {
		latencies := seen.answers[answer]
		found.Answers = append(found.Answers, answers{
			answer, seen.counts[answer], micros(latencies.Quantile(0.5)), micros(latencies.Quantile(0.99)),
		})
	}
	found.LongestMicros = micros(seen.latencies.Max)
	// As fast as usual: not slower than three times the usual p99, which a noisy machine may take by itself.
	after := one.target.open(found.Capacity/2, b.recovery, 3*usual.latencies.Quantile(0.99))
	found.RecoveredAfter = float64(after.late.Milliseconds())
	found.RecoveredP99 = micros(after.latencies.Quantile(0.99))
	ended := time.Now()
	for {
		used, err := server.usage()
		if err != nil {
			return err
		}
		found.After, found.AfterSeconds = used.resident, time.Since(ended).Seconds()
		if found.After <= found.Before || time.Since(ended) > b.memoryReturnsBy {
			break
		}
		time.Sleep(100 * time.Millisecond)
	}
	b.overloads = found
	return nil
}

func keys(counts map[string]int) func(func(string) bool) {
	return func(yield func(string) bool) {
		for key := range counts {
			if !yield(key) {
				return
			}
		}
	}
}

func loadAverage() string {
	text, err := os.ReadFile("/proc/loadavg")
	if err != nil {
		return "unknown"
	}
	return strings.Join(strings.Fields(string(text))[:1], "")
}
