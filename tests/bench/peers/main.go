// Command peers is Gatekeeper and conftest with the policies of ../users. It is a program of its own, so that the
// memory of nothing else has what they link in it.
//
//	peers gatekeeper POLICIES REVIEWS                 measures Gatekeeper's engine
//	peers conftest POLICIES REVIEWS                   measures conftest's engine
//	peers gatekeeper-server ADDRESS CERTS POLICIES    is Gatekeeper's webhook
//
// REVIEWS has an AdmissionReview in each line; CERTS is a directory with tls.crt and tls.key.
package main

import (
	"fmt"
	"os"

	"stategate.io/tests/bench/common"
)

func main() {
	if err := run(os.Args[1:]); err != nil {
		fmt.Fprintln(os.Stderr, "peers:", err)
		os.Exit(1)
	}
}

func run(arguments []string) error {
	switch {
	case len(arguments) == 3 && arguments[0] == "gatekeeper":
		return measure(arguments[1], arguments[2], gatekeeperReviewers)
	case len(arguments) == 3 && arguments[0] == "conftest":
		return measure(arguments[1], arguments[2], conftestReviewers)
	case len(arguments) == 4 && arguments[0] == "gatekeeper-server":
		return serveGatekeeper(arguments[1], arguments[2], arguments[3])
	}
	return fmt.Errorf("unknown arguments %q: see tests/bench/peers/main.go", arguments)
}

func measure(policies, reviews string, of func(policies users, bodies [][]byte) ([]common.Reviewer, error)) error {
	read, err := readUsers(policies)
	if err != nil {
		return err
	}
	bodies, err := common.ReadBodies(reviews)
	if err != nil {
		return err
	}
	reviewers, err := of(read, bodies)
	if err != nil {
		return err
	}
	return common.Reviewers(reviewers, os.Stdin, os.Stdout)
}
