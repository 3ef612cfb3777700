// Runs every case of h2spec, several at once, over mutual TLS, and says how each ended: one JSON object a line.
package main

import (
	"encoding/json"
	"flag"
	"fmt"
	"os"
	"strings"
	"sync"
	"time"

	"github.com/summerwind/h2spec/config"
	"github.com/summerwind/h2spec/generic"
	"github.com/summerwind/h2spec/hpack"
	"github.com/summerwind/h2spec/http2"
	"github.com/summerwind/h2spec/spec"
)

type namedCase struct {
	id string
	tc *spec.TestCase
}

type outcome struct {
	ID       string `json:"id"`
	Title    string `json:"title"`
	Verdict  string `json:"verdict"`
	Expected string `json:"expected,omitempty"`
	Actual   string `json:"actual,omitempty"`
}

func main() {
	port := flag.Int("port", 0, "where the server listens on 127.0.0.1")
	cert := flag.String("cert", "", "our certificate, a PEM file")
	key := flag.String("key", "", "its key, a PEM file")
	timeout := flag.Duration("timeout", 10*time.Second, "how long a case waits for an answer")
	lanes := flag.Int("lanes", 8, "cases at once")
	flag.Parse()

	var cases []namedCase
	for _, root := range []*spec.TestGroup{generic.Spec(), http2.Spec(), hpack.Spec()} {
		cases = append(cases, casesOf(root)...)
	}
	outcomes := make([]outcome, len(cases))
	queue := make(chan int)
	var running sync.WaitGroup
	for lane := 0; lane < *lanes; lane++ {
		running.Add(1)
		go func() {
			defer running.Done()
			for i := range queue {
				// One each: a configuration is not made to be shared.
				outcomes[i] = run(cases[i], &config.Config{
					Host: "127.0.0.1", Port: *port, Path: "/", Timeout: *timeout, MaxHeaderLen: 4000,
					Strict: true, TLS: true, Insecure: true, CertFile: *cert, CertKeyFile: *key,
				})
			}
		}()
	}
	for i := range cases {
		queue <- i
	}
	close(queue)
	running.Wait()
	lines := json.NewEncoder(os.Stdout)
	for _, each := range outcomes {
		if err := lines.Encode(each); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
	}
}

func casesOf(group *spec.TestGroup) []namedCase {
	var cases []namedCase
	for i, tc := range append(group.Tests, group.StrictTests...) {
		cases = append(cases, namedCase{fmt.Sprintf("%s/%d", group.ID(), i+1), tc})
	}
	for _, child := range group.Groups {
		cases = append(cases, casesOf(child)...)
	}
	return cases
}

func run(each namedCase, c *config.Config) (result outcome) {
	result = outcome{ID: each.id, Title: each.tc.Desc, Verdict: "passed"}
	// A case that takes fields by their place cannot be asked with a request that has fewer.
	defer func() {
		if cause := recover(); cause != nil {
			result.Verdict, result.Actual = "broken", fmt.Sprint(cause)
		}
	}()
	conn, err := spec.Dial(c)
	if err != nil {
		result.Verdict, result.Actual = "failed", err.Error()
		return result
	}
	defer conn.Close()
	err = each.tc.Run(c, conn)
	if err == nil {
		return result
	}
	result.Verdict, result.Actual = "failed", err.Error()
	if err == spec.ErrSkipped {
		result.Verdict = "skipped"
	}
	if failure, ok := err.(*spec.TestError); ok {
		result.Expected, result.Actual = strings.Join(failure.Expected, ", or "), failure.Actual
	}
	return result
}
