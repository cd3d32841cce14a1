package main

import (
	"debug/buildinfo"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"runtime"
	"slices"
	"strings"
	"time"

	"github.com/open-policy-agent/opa/v1/version"
)

// report is everything that was found.
type report struct {
	Mode       string      `json:"mode"`
	Date       string      `json:"date"`
	Seconds    float64     `json:"seconds"`
	Cores      int         `json:"cores"`
	Processor  string      `json:"processor"`
	Loads      []string    `json:"load_averages"`
	Stategate  string      `json:"stategate"`
	OPA        string      `json:"opa"`
	Gatekeeper string      `json:"gatekeeper"`
	Conftest   string      `json:"conftest"`
	Go         string      `json:"go"`
	Rounds     int         `json:"rounds"`
	Workers    int         `json:"workers"`
	Objects    int         `json:"inventory_objects"`
	Cases      []row       `json:"cases"`
	Libraries  []libRow    `json:"libraries"`
	Sizes      []size      `json:"at_a_fixed_rate"`
	Servers    []serverRow `json:"servers"`
	Overload   *overload   `json:"overload"`
	MedianOf   string      `json:"figures_are"`
	FloorMeans string      `json:"floor_is"`
}

type row struct {
	Case      string  `json:"case"`
	Server    string  `json:"server"`
	Traffic   string  `json:"traffic"`
	Protocol  string  `json:"protocol"`
	Requests  int     `json:"distinct_requests"`
	PerSecond float64 `json:"requests_per_second"`
	PerCore   float64 `json:"requests_per_core_second"`
	// The lowest and the highest of the rounds.
	PerCoreRange [2]float64 `json:"requests_per_core_second_range"`
	CPUMicros    float64    `json:"cpu_us_per_request"`
	Offered      float64    `json:"offered_per_second_for_latency"`
	Median       float64    `json:"median_us"`
	P99          float64    `json:"p99_us"`
	Resident     uint64     `json:"resident_bytes"`
	// How many times the CPU time of the floor, and how many times the requests per core of the others.
	OfFloor              *float64 `json:"ratio_to_floor"`
	OfOPA                *float64 `json:"ratio_to_opa"`
	OPACase              string   `json:"opa_case,omitempty"`
	OfGatekeeper         *float64 `json:"ratio_to_gatekeeper"`
	GatekeeperCase       string   `json:"gatekeeper_case,omitempty"`
	OfGatekeeperEngine   *float64 `json:"ratio_to_gatekeeper_engine"`
	GatekeeperEngineCase string   `json:"gatekeeper_engine_case,omitempty"`
	OfConftestEngine     *float64 `json:"ratio_to_conftest_engine"`
	ConftestEngineCase   string   `json:"conftest_engine_case,omitempty"`
	// What stategate evaluated for one pass over the requests, and how many were allowed.
	Evaluated int `json:"policies_evaluated"`
	Allowed   int `json:"allowed"`
}

// serverRow is what a process took in the whole run.
type serverRow struct {
	Server     string  `json:"server"`
	CPUSeconds float64 `json:"cpu_seconds"`
	Resident   uint64  `json:"resident_bytes"`
	Peak       uint64  `json:"peak_resident_bytes"`
}

type libRow struct {
	Case      string     `json:"case"`
	CPUMicros float64    `json:"cpu_us_per_request"`
	Range     [2]float64 `json:"cpu_us_per_request_range"`
	Questions int        `json:"questions_per_pass,omitempty"`
	Resident  uint64     `json:"resident_bytes"`
	OfOPA     *float64   `json:"ratio_to_opa"`
}

// median of figures; of an even number, the mean of the two in the middle.
func median(figures []float64) float64 {
	sorted := slices.Sorted(slices.Values(figures))
	middle := len(sorted) / 2
	if len(sorted)%2 == 1 {
		return sorted[middle]
	}
	return (sorted[middle-1] + sorted[middle]) / 2
}

func (c *benchCase) median(of func(round) float64) float64 {
	return median(c.all(of))
}

func (c *benchCase) all(of func(round) float64) []float64 {
	var figures []float64
	for _, round := range c.rounds {
		figures = append(figures, of(round))
	}
	return figures
}

// ratio is the median of the ratios within each round: what slowed a round down met both.
func ratio(own, other []float64) *float64 {
	var ratios []float64
	for i := range own {
		ratios = append(ratios, own[i]/other[i])
	}
	found := median(ratios)
	return &found
}

func perCore(round round) float64 { return round.perCore }

// perCore is how many requests a second a core would evaluate.
func (l *libraryCase) perCore() []float64 {
	var figures []float64
	for _, micros := range l.cpuMicros {
		figures = append(figures, 1e6/micros)
	}
	return figures
}

func (b *bench) report() report {
	found := report{
		Mode: b.mode, Date: b.started.UTC().Format(time.RFC3339), Seconds: time.Since(b.started).Seconds(),
		Cores: runtime.NumCPU(), Processor: processor(), Loads: b.loads, Stategate: versionOf(b.stategate),
		OPA: version.Version, Gatekeeper: moduleVersion(b.peers, gatekeeperModule),
		Conftest: moduleVersion(b.peers, conftestModule), Go: runtime.Version(),
		Rounds: b.rounds, Workers: workers, Objects: b.objects,
		Overload:   b.overloads,
		MedianOf:   "medians of the rounds; latencies at half of the requests per second that the round reached",
		FloorMeans: "requests per core compared with a server whose only policy matches no request",
	}
	found.Sizes = b.sizes
	for _, planned := range b.serverPlans() {
		// A server that has ended would have failed its last case.
		if used, err := b.servers[planned.name].usage(); err == nil {
			row := serverRow{planned.name, used.cpu.Seconds(), used.resident, used.peak}
			found.Servers = append(found.Servers, row)
		}
	}
	cases := map[string][]float64{}
	for _, one := range b.cases {
		cases[one.name] = one.all(perCore)
	}
	for _, one := range b.libraries {
		cases[one.name] = one.perCore()
	}
	for _, one := range b.cases {
		cores := one.all(perCore)
		row := row{
			Case: one.name, Server: one.server, Traffic: one.traffic, Protocol: one.protocol, Requests: len(one.target.requests),
			PerSecond:    one.median(func(r round) float64 { return r.perSecond }),
			PerCore:      median(cores),
			PerCoreRange: [2]float64{slices.Min(cores), slices.Max(cores)},
			CPUMicros:    one.median(func(r round) float64 { return r.cpuMicros }),
			Offered:      one.median(func(r round) float64 { return r.offered }),
			Median:       one.median(func(r round) float64 { return r.median }),
			P99:          one.median(func(r round) float64 { return r.p99 }),
			Resident:     one.rounds[len(one.rounds)-1].resident,
			Evaluated:    one.evaluated,
			Allowed:      one.allowed,
			OPACase:      one.opa,

			GatekeeperCase: one.gatekeeper, GatekeeperEngineCase: one.gatekeeperEngine, ConftestEngineCase: one.conftestEngine,
		}
		for other, into := range map[string]**float64{
			one.floor: &row.OfFloor, one.opa: &row.OfOPA, one.gatekeeper: &row.OfGatekeeper,
			one.gatekeeperEngine: &row.OfGatekeeperEngine, one.conftestEngine: &row.OfConftestEngine,
		} {
			if figures := cases[other]; figures != nil {
				*into = ratio(cores, figures)
			}
		}
		found.Cases = append(found.Cases, row)
	}
	for _, one := range b.libraries {
		row := libRow{
			Case: one.name, CPUMicros: median(one.cpuMicros), Questions: one.questions, Resident: one.resident,
			Range: [2]float64{slices.Min(one.cpuMicros), slices.Max(one.cpuMicros)},
		}
		if opa := cases[one.opa]; opa != nil {
			row.OfOPA = ratio(one.perCore(), opa)
		}
		found.Libraries = append(found.Libraries, row)
	}
	return found
}

func versionOf(program string) string {
	text, err := exec.Command(program, "--version").Output()
	if err != nil {
		return "unknown"
	}
	return strings.TrimSpace(string(text))
}

const (
	gatekeeperModule = "github.com/open-policy-agent/gatekeeper/v3"
	conftestModule   = "github.com/open-policy-agent/conftest"
)

// moduleVersion is that of a module that a program was built with.
func moduleVersion(program, module string) string {
	built, err := buildinfo.ReadFile(program)
	if err != nil {
		return "unknown"
	}
	for _, one := range built.Deps {
		if one.Path == module {
			return one.Version
		}
	}
	return "unknown"
}

func processor() string {
	text, err := os.ReadFile("/proc/cpuinfo")
	if err != nil {
		return "unknown"
	}
	for line := range strings.Lines(string(text)) {
		if key, value, is := strings.Cut(line, ":"); is && strings.TrimSpace(key) == "model name" {
			return strings.TrimSpace(value)
		}
	}
	return "unknown"
}

// table is what people read, and the README quotes.
func (r report) table() string {
	var text strings.Builder
	fmt.Fprintf(&text, "%s, %s mode: %s, OPA %s, Gatekeeper %s, conftest %s, %d cores (%s), load average %s, %d rounds, %.0f s\n\n",
		r.Date, r.Mode, r.Stategate, r.OPA, r.Gatekeeper, r.Conftest, r.Cores, r.Processor, loads(r.Loads), r.Rounds, r.Seconds)
	text.WriteString("| Case | Requests/s | Requests/s per core | CPU a request | Median | p99 | Resident | Of the floor | Times OPA | Times Gatekeeper | Times Gatekeeper's engine | Times conftest's engine |\n")
	text.WriteString("|---|---:|---:|---:|---:|---:|---:|---:|---:|---:|---:|---:|\n")
	for _, row := range r.Cases {
		fmt.Fprintf(&text, "| %s | %.0f | %.0f | %s | %s | %s | %s | %s | %s | %s | %s | %s |\n", row.Case, row.PerSecond, row.PerCore,
			spent(row.CPUMicros), spent(row.Median), spent(row.P99), mebibytes(row.Resident),
			figure(row.OfFloor), figure(row.OfOPA), figure(row.OfGatekeeper), figure(row.OfGatekeeperEngine),
			figure(row.OfConftestEngine))
	}
	text.WriteString("\n| Without a server | Questions | CPU a request | Resident | Times OPA |\n|---|---:|---:|---:|---:|\n")
	for _, row := range r.Libraries {
		fmt.Fprintf(&text, "| %s | %s | %s | %s | %s |\n", strings.TrimPrefix(row.Case, "library: "), counted(row.Questions),
			spent(row.CPUMicros), mebibytes(row.Resident), figure(row.OfOPA))
	}
	fmt.Fprintf(&text, "\n| At %d requests/s | Cores | Median | p99 | Resident |\n|---|---:|---:|---:|---:|\n", sizedAt)
	for _, row := range r.Sizes {
		fmt.Fprintf(&text, "| %s | %.2f | %s | %s | %s |\n", row.Case, row.Cores, spent(row.Median), spent(row.P99), mebibytes(row.Resident))
	}
	over := r.Overload
	fmt.Fprintf(&text, "\nOverload (%s): %.0f requests/s offered for %.0f s where %.0f can be answered; %.0f/s were sent.\n\n",
		over.Case, over.Offered, over.Seconds, over.Capacity, over.Sent)
	if over.Sent < 0.9*over.Offered {
		text.WriteString("**The load generator did not keep up: this says nothing about the server.**\n\n")
	}
	text.WriteString("| Answer | Count | Median | p99 |\n|---|---:|---:|---:|\n")
	for _, answer := range over.Answers {
		fmt.Fprintf(&text, "| %s | %d | %s | %s |\n", answer.Answer, answer.Count, spent(answer.Median), spent(answer.P99))
	}
	fmt.Fprintf(&text, "\nThe longest wait was %s. Right after, at half of the capacity, the last answer that was refused or slow came after %.0f ms, and the p99 was %s. Resident: %s before, %s during, %s after %.0f s.\n",
		spent(over.LongestMicros), over.RecoveredAfter, spent(over.RecoveredP99),
		mebibytes(over.Before), mebibytes(over.Peak), mebibytes(over.After), over.AfterSeconds)
	return text.String()
}

func loads(all []string) string { return strings.Join(all, ", ") }

func spent(micros float64) string {
	if micros < 1000 {
		return fmt.Sprintf("%.0f µs", micros)
	}
	return fmt.Sprintf("%.1f ms", micros/1000)
}

// counted leaves out what was not counted.
func counted(count int) string {
	if count == 0 {
		return ""
	}
	return fmt.Sprint(count)
}

func mebibytes(bytes uint64) string { return fmt.Sprintf("%d MiB", bytes>>20) }

func figure(ratio *float64) string {
	switch {
	case ratio == nil:
		return ""
	case *ratio < 0.1:
		return fmt.Sprintf("%.3f", *ratio)
	case *ratio < 10:
		return fmt.Sprintf("%.2f", *ratio)
	default:
		return fmt.Sprintf("%.0f", *ratio)
	}
}

func (r report) write(path string) error {
	text, err := json.MarshalIndent(r, "", "  ")
	if err != nil {
		return err
	}
	return os.WriteFile(path, append(text, '\n'), 0o644)
}
