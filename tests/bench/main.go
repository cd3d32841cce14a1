// Command bench measures stategate, OPA, Gatekeeper and conftest in one run, in turns: each round measures every case
// once, so that what else the machine does meets all of them. See run.
package main

import (
	"flag"
	"fmt"
	"os"
	"os/signal"
	"path/filepath"
	"syscall"
	"time"

	"stategate.io/tests/bench/common"
)

// settings of a run.
type settings struct {
	mode                                string
	stategate, questions, opa, peers    string
	root, work, out                     string
	rounds                              int
	throughput, latency, library        time.Duration
	overload, recovery, memoryReturnsBy time.Duration
}

// modes say how long things are measured.
var modes = map[string]settings{
	"quick": {
		rounds: 2, throughput: 500 * time.Millisecond, latency: 500 * time.Millisecond, library: 500 * time.Millisecond,
		overload: 3 * time.Second, recovery: 2 * time.Second, memoryReturnsBy: 5 * time.Second,
	},
	"full": {
		rounds: 5, throughput: 1500 * time.Millisecond, latency: 1500 * time.Millisecond, library: time.Second,
		overload: 15 * time.Second, recovery: 10 * time.Second, memoryReturnsBy: 30 * time.Second,
	},
}

func main() {
	if err := run(); err != nil {
		fmt.Fprintln(os.Stderr, "benchmark:", err)
		os.Exit(1)
	}
}

func run() error {
	// Run by this program itself, as a process of its own: OPA as a library.
	if len(os.Args) == 5 && os.Args[1] == "opa-library" {
		return opaLibrary(os.Args[2], os.Args[3], os.Args[4])
	}
	if len(os.Args) == 4 && os.Args[1] == "opa-users" {
		reviewers, err := usersReviewers(os.Args[2], os.Args[3])
		if err != nil {
			return err
		}
		return common.Reviewers(reviewers, os.Stdin, os.Stdout)
	}
	var set settings
	flag.StringVar(&set.mode, "mode", "", "quick or full")
	flag.StringVar(&set.stategate, "stategate", "", "the program stategate")
	flag.StringVar(&set.questions, "questions", "", "the program questions")
	flag.StringVar(&set.opa, "opa", "", "the program opa")
	flag.StringVar(&set.peers, "peers", "", "the program peers")
	flag.StringVar(&set.root, "root", ".", "the repository")
	flag.StringVar(&set.work, "work", "", "a directory for what is made")
	flag.StringVar(&set.out, "out", "", "a file for the results, as JSON")
	flag.Parse()
	times, known := modes[set.mode]
	if !known || flag.NArg() > 0 {
		return fmt.Errorf("-mode must be quick or full")
	}
	times.mode, times.stategate, times.questions, times.opa = set.mode, set.stategate, set.questions, set.opa
	times.peers, times.root, times.work, times.out = set.peers, set.root, set.work, set.out
	bench := &bench{settings: times, traffic: map[string][][]byte{}, servers: map[string]*server{}}
	defer bench.stop()
	signals := make(chan os.Signal, 1)
	signal.Notify(signals, os.Interrupt, syscall.SIGTERM)
	go func() {
		<-signals
		// What was started must not outlive this.
		bench.stop()
		os.Exit(130)
	}()
	if err := bench.prepare(); err != nil {
		return err
	}
	if err := bench.measure(); err != nil {
		return err
	}
	report := bench.report()
	fmt.Print(report.table())
	if set.out != "" {
		return report.write(set.out)
	}
	return nil
}

// opaLibrary measures OPA in this process: with a query for each policy, or all at once.
func opaLibrary(how, directory, policies string) error {
	questions, err := readQuestions(filepath.Join(directory, "questions.jsonl"))
	if err != nil {
		return err
	}
	catalogue := newCatalogue()
	reviews, err := catalogue.reviews(questions)
	if err != nil {
		return err
	}
	var queries []asked
	switch how {
	case "each":
		queries, err = each(questions, policies)
	case "at-once":
		if err := catalogue.write(policies, filepath.Join(directory, "opa")); err != nil {
			return err
		}
		queries, err = atOnce(reviews, filepath.Join(directory, "opa"))
	default:
		err = fmt.Errorf("no way to ask is called %s", how)
	}
	if err != nil {
		return err
	}
	return library(queries, len(reviews), len(questions))
}
