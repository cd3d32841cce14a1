package main

import (
	"bufio"
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"time"

	"stategate.io/tests/bench/common"
)

// clockTick is the unit of times in /proc, which has been this on every Linux for decades (USER_HZ).
const clockTick = 10 * time.Millisecond

// process is a server, or a program that measures when it is told to.
type process struct {
	name    string
	command *exec.Cmd
	stdin   io.WriteCloser
	stdout  *bufio.Reader
	log     *logTail
}

// start runs a program. Its standard error is read as a container runtime reads it.
func start(name, program string, arguments ...string) (*process, error) {
	started := &process{name: name, command: exec.Command(program, arguments...), log: newLogTail()}
	started.command.Env = append(os.Environ(), "RUST_LIB_BACKTRACE=0")
	stderr, err := started.command.StderrPipe()
	if err != nil {
		return nil, err
	}
	if started.stdin, err = started.command.StdinPipe(); err != nil {
		return nil, err
	}
	stdout, err := started.command.StdoutPipe()
	if err != nil {
		return nil, err
	}
	started.stdout = bufio.NewReader(stdout)
	if err := started.command.Start(); err != nil {
		return nil, fmt.Errorf("%s: %w", name, err)
	}
	go started.log.follow(stderr)
	return started, nil
}

// stop ends the process, and waits until it has.
func (p *process) stop() {
	_ = p.command.Process.Kill()
	_ = p.command.Wait()
}

// usage is what a process has taken so far.
type usage struct {
	cpu            time.Duration
	resident, peak uint64
	// By thread, in nanoseconds: the time of the whole process is told in hundredths of a second only.
	threads map[string]time.Duration
}

// since is the time of a core between two looks. A thread that ended in between counts for nothing: servers keep
// theirs.
func (u usage) since(before usage) time.Duration {
	var taken time.Duration
	for thread, now := range u.threads {
		taken += now - before.threads[thread]
	}
	return taken
}

func (p *process) usage() (usage, error) {
	directory := fmt.Sprintf("/proc/%d/", p.command.Process.Pid)
	stat, err := os.ReadFile(directory + "stat")
	if err != nil {
		return usage{}, fmt.Errorf("%s has ended: %s", p.name, p.log.last())
	}
	status, err := os.ReadFile(directory + "status")
	if err != nil {
		return usage{}, err
	}
	if strings.Contains(string(status), "\nState:\tZ") {
		return usage{}, fmt.Errorf("%s has ended: %s", p.name, p.log.last())
	}
	used, err := parseUsage(string(stat), string(status))
	if err != nil {
		return used, err
	}
	used.threads, err = threads(directory + "task")
	return used, err
}

// threads reads the time of each thread, which is the first figure of its schedstat.
func threads(directory string) (map[string]time.Duration, error) {
	entries, err := os.ReadDir(directory)
	if err != nil {
		return nil, err
	}
	found := map[string]time.Duration{}
	for _, entry := range entries {
		text, err := os.ReadFile(filepath.Join(directory, entry.Name(), "schedstat"))
		if errors.Is(err, fs.ErrNotExist) || errors.Is(err, syscall.ESRCH) {
			continue // it has ended meanwhile
		}
		if err != nil {
			return nil, err
		}
		var nanoseconds int64
		if _, err := fmt.Sscan(string(text), &nanoseconds); err != nil {
			return nil, fmt.Errorf("%q does not look like schedstat: %w", text, err)
		}
		found[entry.Name()] = time.Duration(nanoseconds)
	}
	if len(found) == 0 {
		return nil, fmt.Errorf("%s has no schedstat: this needs a kernel with CONFIG_SCHED_INFO", directory)
	}
	return found, nil
}

// parseUsage reads what /proc tells of a process.
func parseUsage(stat, status string) (usage, error) {
	// The name of the program, in parentheses, may hold anything.
	fields := strings.Fields(stat[strings.LastIndexByte(stat, ')')+1:])
	if len(fields) < 13 {
		return usage{}, fmt.Errorf("%q does not look like /proc/PID/stat", stat)
	}
	var found usage
	for _, field := range fields[11:13] {
		ticks, err := strconv.ParseInt(field, 10, 64)
		if err != nil {
			return usage{}, err
		}
		found.cpu += time.Duration(ticks) * clockTick
	}
	for line := range strings.Lines(status) {
		for key, into := range map[string]*uint64{"VmRSS:": &found.resident, "VmHWM:": &found.peak} {
			if rest, is := strings.CutPrefix(line, key); is {
				kibibytes, err := strconv.ParseUint(strings.TrimSuffix(strings.TrimSpace(rest), " kB"), 10, 64)
				if err != nil {
					return usage{}, err
				}
				*into = kibibytes << 10
			}
		}
	}
	if found.resident == 0 || found.peak == 0 {
		return usage{}, fmt.Errorf("%q does not look like /proc/PID/status", status)
	}
	return found, nil
}

// measure has such a program measure for a while.
func (p *process) measure(seconds float64) (common.Pass, error) {
	var measured common.Pass
	if _, err := fmt.Fprintf(p.stdin, "%g\n", seconds); err != nil {
		return measured, fmt.Errorf("%s has ended: %s", p.name, p.log.last())
	}
	err := p.read(&measured)
	return measured, err
}

// read waits for a line of JSON.
func (p *process) read(into any) error {
	line, err := p.stdout.ReadBytes('\n')
	if err != nil {
		return fmt.Errorf("%s has ended: %s", p.name, p.log.last())
	}
	return json.Unmarshal(line, into)
}

// freeAddress is one that nothing listens at.
func freeAddress() (string, error) {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return "", err
	}
	return listener.Addr().String(), listener.Close()
}

// ready waits until a server answers, whatever it says.
func (p *process) ready(client *http.Client, url string) error {
	var last error
	for range 2400 {
		response, err := client.Get(url)
		if err == nil {
			return response.Body.Close()
		}
		last = err
		if _, err := p.usage(); err != nil {
			return err
		}
		time.Sleep(50 * time.Millisecond)
	}
	return fmt.Errorf("%s does not answer: %w\n%s", p.name, last, p.log.last())
}

// logTail keeps the end of a log, and what it says of reviews while anybody wants to know.
type logTail struct {
	mutex   sync.Mutex
	lines   [][]byte
	wanted  bool
	reviews map[string]loggedReview
}

// loggedReview is what stategate logs of a review.
type loggedReview struct {
	Message   string `json:"message"`
	UID       string `json:"uid"`
	Evaluated int    `json:"evaluated"`
	Unknown   string `json:"unknown"`
}

func newLogTail() *logTail {
	return &logTail{reviews: map[string]loggedReview{}}
}

// keptLines is enough for an error with its cause.
const keptLines = 20

func (l *logTail) follow(log io.Reader) {
	reader := bufio.NewReaderSize(log, 1<<16)
	for {
		line, err := reader.ReadSlice('\n')
		if len(line) > 0 {
			l.add(line)
		}
		if err != nil && err != bufio.ErrBufferFull {
			return
		}
	}
}

func (l *logTail) add(line []byte) {
	l.mutex.Lock()
	defer l.mutex.Unlock()
	if bytes.Contains(line, []byte(`"message":"review"`)) {
		var review loggedReview
		if l.wanted && json.Unmarshal(line, &review) == nil {
			l.reviews[review.UID] = review
		}
		return
	}
	l.lines = append(l.lines, bytes.Clone(line))
	if len(l.lines) > keptLines {
		l.lines = l.lines[1:]
	}
}

// want says whether reviews are to be kept.
func (l *logTail) want(wanted bool) {
	l.mutex.Lock()
	defer l.mutex.Unlock()
	l.wanted = wanted
}

// review is what was logged of a review, which may come after its answer.
func (l *logTail) review(uid string) (loggedReview, error) {
	for range 200 {
		l.mutex.Lock()
		review, known := l.reviews[uid]
		delete(l.reviews, uid)
		l.mutex.Unlock()
		if known {
			return review, nil
		}
		time.Sleep(5 * time.Millisecond)
	}
	return loggedReview{}, fmt.Errorf("the review %s was not logged", uid)
}

func (l *logTail) last() string {
	l.mutex.Lock()
	defer l.mutex.Unlock()
	return string(bytes.Join(l.lines, nil))
}
