// Command second-opinion evaluates the recorded questions on OPA, and exits with 1 if any answer differs from
// that of stategate's own engine.
package main

import (
	"context"
	"fmt"
	"os"
	"time"

	"github.com/open-policy-agent/opa/v1/version"
)

func main() {
	if len(os.Args) != 3 {
		fmt.Fprintln(os.Stderr, "usage: second-opinion POLICIES RECORD\n"+
			"RECORD is what `stategate test POLICIES --record RECORD` writes")
		os.Exit(2)
	}
	started := time.Now()
	result, err := compare(context.Background(), os.Args[1], os.Args[2])
	if err != nil {
		fmt.Fprintln(os.Stderr, "second-opinion:", err)
		os.Exit(2)
	}
	for _, difference := range result.differences {
		fmt.Println(difference)
	}
	fmt.Printf("OPA %s: %d policies, %d tests, %d questions about %d files, and %d with a field less: %d differences (%.1f s)\n",
		version.Version, result.policies, result.tests, result.questions, result.files, result.thinned,
		len(result.differences), time.Since(started).Seconds())
	if len(result.differences) > 0 {
		os.Exit(1)
	}
}
