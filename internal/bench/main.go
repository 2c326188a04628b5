// Bench measures the library beside the least work that its job takes, and
// beside other libraries of Go, all in one run:
//
//	go -C internal/bench run .
//	go -C internal/bench run . -only auth,redirect -rounds 30
//	go -C internal/bench run . -servers
//
// Everything is measured for a moment, again and again in turn. A ratio is
// taken within such a round; the median over all rounds is what is printed, so
// that a machine whose speed drifts does not decide. In the end stands what we
// aim at, beside what was reached.
package main

import (
	"flag"
	"fmt"
	"log"
	"os"
	"runtime"
	"strings"
	"text/tabwriter"
	"time"
)

func main() {
	log.SetFlags(0)
	rounds := flag.Int("rounds", 15, "how often everything is measured")
	moment := flag.Duration("moment", 40*time.Millisecond, "how long, each time")
	only := flag.String("only", "auth,verify,login,redirect,stampede,start", "what to measure")
	whole := flag.Bool("servers", false, "measure whole servers instead, under wrk")
	alone := flag.String("serve", "", "be this server of theirs")
	port := flag.String("port", "", "its port")
	flag.Parse()
	if *alone != "" {
		serveAlone(*alone, *port)
	}
	fmt.Printf("%s, %d cores, %d rounds of %s\n", runtime.Version(), runtime.NumCPU(), *rounds, *moment)

	r := &run{rounds: *rounds, moment: *moment}
	if *whole {
		servers(r)
		r.printTargets()
		return
	}
	for _, section := range []struct {
		name    string
		measure func(*run)
	}{
		{"auth", authenticated}, {"verify", verification}, {"login", logins}, {"redirect", redirects},
		{"stampede", stampede}, {"start", starts},
	} {
		if strings.Contains(","+*only+",", ","+section.name+",") {
			section.measure(r)
		}
	}
	r.printTargets()
}

// run is what is measured, and what is aimed at.
type run struct {
	rounds  int
	moment  time.Duration
	targets [][3]string
}

// target notes what was aimed at, and whether it was reached.
func (r *run) target(what, reached string, met bool) {
	verdict := "met"
	if !met {
		verdict = "MISSED"
	}
	r.targets = append(r.targets, [3]string{what, reached, verdict})
}

// atMost and atLeast are targets for ratios.
func (r *run) atMost(what string, reached, most float64) {
	r.target(fmt.Sprintf("%s: at most %.4g", what, most), fmt.Sprintf("%.3g", reached), reached <= most)
}

func (r *run) atLeast(what string, reached, least float64) {
	r.target(fmt.Sprintf("%s: at least %.4g", what, least), fmt.Sprintf("%.3g", reached), reached >= least)
}

func (r *run) printTargets() {
	fmt.Print("\nTargets\n\n")
	w := tabwriter.NewWriter(os.Stdout, 0, 0, 2, ' ', 0)
	for _, t := range r.targets {
		fmt.Fprintf(w, "%s\t%s\t%s\n", t[0], t[1], t[2])
	}
	check(w.Flush())
}

func must[T any](v T, err error) T {
	check(err)
	return v
}

func check(err error) {
	if err != nil {
		log.Output(2, err.Error())
		panic(err)
	}
}
