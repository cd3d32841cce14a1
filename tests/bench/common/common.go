// Package common is what the programs of the benchmark share: how files are read and written, and how a program that
// evaluates without a server is asked to measure itself.
package common

import (
	"bufio"
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"time"
)

// WriteFile makes the directories above, too.
func WriteFile(path string, text []byte) error {
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		return err
	}
	return os.WriteFile(path, text, 0o644)
}

// ReadBodies reads a file with an AdmissionReview in each line.
func ReadBodies(path string) ([][]byte, error) {
	text, err := os.ReadFile(path)
	if err != nil {
		return nil, err
	}
	return bytes.Split(bytes.TrimSpace(text), []byte("\n")), nil
}

// EachPolicy calls with the path and the text of each module that is no test.
func EachPolicy(directory string, call func(path, text string) error) error {
	return filepath.WalkDir(directory, func(path string, entry fs.DirEntry, err error) error {
		if err != nil || entry.IsDir() || !strings.HasSuffix(path, ".rego") || strings.HasSuffix(path, "_test.rego") {
			return err
		}
		text, err := os.ReadFile(path)
		if err != nil {
			return err
		}
		return call(path, string(text))
	})
}

// Pass is what a program that measures says of one run.
type Pass struct {
	Passes     int     `json:"passes"`
	Requests   int     `json:"requests"`
	Questions  int     `json:"questions"`
	CPUSeconds float64 `json:"cpu_seconds"`
}

// Reviewer judges a request, and says why it is refused.
type Reviewer func() (denials []string, err error)

// Reviewers prints what each request is refused for, which the benchmark compares before it measures, and then measures
// them all.
func Reviewers(all []Reviewer, in io.Reader, out io.Writer) error {
	refused := [][]string{}
	for _, review := range all {
		denials, err := review()
		if err != nil {
			return err
		}
		refused = append(refused, append([]string{}, denials...))
	}
	if err := json.NewEncoder(out).Encode(refused); err != nil {
		return err
	}
	return Measure(Pass{Requests: len(all)}, in, out, func() error {
		for _, review := range all {
			if _, err := review(); err != nil {
				return err
			}
		}
		return nil
	})
}

// Measure runs passes over all requests, as `questions evaluate` does: it reads for how many seconds, and prints what
// they took, until the input ends.
func Measure(of Pass, in io.Reader, out io.Writer, pass func() error) error {
	lines := bufio.NewScanner(in)
	for lines.Scan() {
		var seconds float64
		if _, err := fmt.Sscan(lines.Text(), &seconds); err != nil {
			return err
		}
		measured := of
		started, before := time.Now(), ownCPU()
		for time.Since(started).Seconds() < seconds {
			if err := pass(); err != nil {
				return err
			}
			measured.Passes++
		}
		measured.CPUSeconds = (ownCPU() - before).Seconds()
		if err := json.NewEncoder(out).Encode(measured); err != nil {
			return err
		}
	}
	return lines.Err()
}

// ownCPU is what this process has taken.
func ownCPU() time.Duration {
	var used syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &used); err != nil {
		panic(err) // getrusage fails only for arguments that it does not know
	}
	return time.Duration(used.Utime.Nano() + used.Stime.Nano())
}
