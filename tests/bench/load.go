package main

import (
	"bytes"
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"net/http"
	"slices"
	"sync/atomic"
	"time"

	vegeta "github.com/tsenart/vegeta/v12/lib"
)

// patience is how long an API server waits for a webhook by default.
const patience = 10 * time.Second

// newClient is what an API server is: one connection that carries everything, HTTP/2 over TLS. A server that has only
// HTTP/1.1 gets a connection for each request at a time, all kept.
func newClient(roots *x509.CertPool) *http.Client {
	return &http.Client{
		Timeout: patience,
		Transport: &http.Transport{
			TLSClientConfig:     &tls.Config{RootCAs: roots, MinVersion: tls.VersionTLS12},
			ForceAttemptHTTP2:   true,
			IdleConnTimeout:     time.Minute,
			MaxIdleConnsPerHost: 1024,
		},
	}
}

// target is where requests go, and what they are, one after the other.
type target struct {
	client   *http.Client
	requests []request
}

type request struct {
	url  string
	body []byte
}

// unnumbered is the part of a body that each request has a number in place of, so that no two are the same: a change
// comes once.
const unnumbered = "revision-000000000000"

// sent counts the requests of all runs.
var sent atomic.Uint64

func (t *target) targeter() vegeta.Targeter {
	header := http.Header{"Content-Type": []string{"application/json"}}
	places := make([]int, len(t.requests))
	for i, request := range t.requests {
		places[i] = bytes.Index(request.body, []byte(unnumbered))
	}
	var next atomic.Uint64
	return func(target *vegeta.Target) error {
		at := (next.Add(1) - 1) % uint64(len(t.requests))
		request := t.requests[at]
		body := request.body
		if place := places[at]; place >= 0 {
			body = slices.Clone(body)
			copy(body[place:], fmt.Sprintf("revision-%012d", sent.Add(1)))
		}
		*target = vegeta.Target{Method: http.MethodPost, URL: request.url, Body: body, Header: header}
		return nil
	}
}

// load is what a run of the load generator saw.
type load struct {
	requests int
	took     time.Duration
	// Until the last one was sent.
	sending   time.Duration
	latencies vegeta.LatencyMetrics
	// By what was answered: a status, or an error.
	answers map[string]*vegeta.LatencyMetrics
	counts  map[string]int
	// When the last answer came that was none in time, since the start.
	late time.Duration
}

const answered = "200"

// collect takes all results of an attack; bound is what counts as in time.
func collect(results <-chan *vegeta.Result, bound time.Duration) load {
	seen := load{answers: map[string]*vegeta.LatencyMetrics{}, counts: map[string]int{}}
	var began, last, ended time.Time
	for result := range results {
		if began.IsZero() || result.Timestamp.Before(began) {
			began = result.Timestamp
		}
		if result.Timestamp.After(last) {
			last = result.Timestamp
		}
		if result.End().After(ended) {
			ended = result.End()
		}
		seen.requests++
		answer := fmt.Sprint(result.Code)
		if result.Code == 0 {
			answer = result.Error
		}
		if seen.answers[answer] == nil {
			seen.answers[answer] = &vegeta.LatencyMetrics{}
		}
		seen.answers[answer].Add(result.Latency)
		seen.counts[answer]++
		seen.latencies.Add(result.Latency)
		if answer != answered || result.Latency > bound {
			seen.late = max(seen.late, result.End().Sub(began))
		}
	}
	seen.took, seen.sending = ended.Sub(began), last.Sub(began)
	return seen
}

// closed has some clients that ask again as soon as they have an answer.
func (t *target) closed(workers uint64, time time.Duration) load {
	attacker := vegeta.NewAttacker(vegeta.Client(t.client), vegeta.Workers(workers), vegeta.MaxWorkers(workers))
	return collect(attacker.Attack(t.targeter(), vegeta.Rate{}, time, ""), patience)
}

// open has requests come at a rate, whatever became of those before.
func (t *target) open(perSecond float64, time, bound time.Duration) load {
	attacker := vegeta.NewAttacker(vegeta.Client(t.client), vegeta.Workers(16))
	return collect(attacker.Attack(t.targeter(), rate(perSecond), time, ""), bound)
}

// rate is vegeta's, which counts whole requests in any time.
func rate(perSecond float64) vegeta.Rate {
	return vegeta.Rate{Freq: max(1, int(perSecond*10)), Per: 10 * time.Second}
}

// faults says what was answered other than asked for.
func (l load) faults() error {
	if l.requests == 0 {
		return fmt.Errorf("no request was answered")
	}
	for answer, count := range l.counts {
		if answer != answered {
			return fmt.Errorf("%d of %d requests were answered with %s", count, l.requests, answer)
		}
	}
	return nil
}
