// SPDX-License-Identifier: Apache-2.0

// Package steps is what programs share that do one thing, chosen by -mode, again and again.
//
// They print "ready PID", and make -steps steps of the mode a second until their input ends, or for -life. Beside that
// -churn bytes of garbage are allocated a second, so that the collector runs.
package steps

import (
	"flag"
	"fmt"
	"io"
	"os"
	"time"
)

var (
	mode  = flag.String("mode", "", "what to do")
	rate  = flag.Int("steps", 1000, "steps a second")
	churn = flag.Int("churn", 0, "`bytes` of garbage a second besides")
	warm  = flag.Duration("warm", 0, "how long it runs before it says that it is ready")
	life  = flag.Duration("life", time.Minute, "how long it lives")
)

var sink []byte

// Garbage allocates so many bytes and forgets them.
func Garbage(bytes int) {
	sink = make([]byte, bytes)
	sink[0] = 1
}

func run(step func(int), end time.Time) {
	const tick = 10 * time.Millisecond
	start, done, wasted := time.Now(), 0, 0
	for now := start; now.Before(end); now = time.Now() {
		elapsed := now.Sub(start).Seconds()
		for ; done < int(elapsed*float64(*rate)); done++ {
			step(done)
		}
		for ; wasted < int(elapsed*float64(*churn)); wasted += 16 << 10 {
			Garbage(16 << 10)
		}
		time.Sleep(tick)
	}
}

// Main is all of main(): before runs after the flags are read, ending when the input has ended; both may be nil.
func Main(modes map[string]func(int), before, ending func()) {
	flag.Parse()
	step, ok := modes[*mode]
	if !ok {
		fmt.Fprintln(os.Stderr, "unknown -mode")
		os.Exit(2)
	}
	go func() {
		_, _ = io.Copy(io.Discard, os.Stdin)
		if ending != nil {
			ending()
		}
		os.Exit(0)
	}()
	if before != nil {
		before()
	}
	go func() {
		time.Sleep(*warm)
		fmt.Printf("ready %d\n", os.Getpid())
	}()
	run(step, time.Now().Add(*life))
}
