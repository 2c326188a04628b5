package main

import (
	"fmt"
	"os"
	"runtime"
	"slices"
	"text/tabwriter"
	"time"
)

// contender does a job once, and panics if it goes wrong.
type contender struct {
	name string
	do   func()
	note string
}

// figures are those of one contender: for each round the time of one job, and
// what a job allocates.
type figures struct {
	contender
	each          []time.Duration
	allocs, bytes float64
}

// results are the figures of a section.
type results []*figures

// measure lets all contenders do the job, in turn.
func (r *run) measure(all []contender) results {
	var found results
	var times []int
	for _, c := range all {
		f := &figures{contender: c}
		c.do() // warms up
		f.allocs, f.bytes = allocations(c.do)
		n, begun := 0, time.Now()
		for time.Since(begun) < r.moment {
			c.do()
			n++
		}
		found, times = append(found, f), append(times, n)
	}
	for range r.rounds {
		for i, f := range found {
			runtime.GC() // nobody pays for another's garbage
			begun := time.Now()
			for range times[i] {
				f.do()
			}
			f.each = append(f.each, time.Since(begun)/time.Duration(times[i]))
		}
	}
	return found
}

func allocations(do func()) (allocs, bytes float64) {
	const jobs = 100
	defer runtime.GOMAXPROCS(runtime.GOMAXPROCS(1))
	do() // fills the pools of the one processor that is left
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	for range jobs {
		do()
	}
	runtime.ReadMemStats(&after)
	return float64(after.Mallocs-before.Mallocs) / jobs, float64(after.TotalAlloc-before.TotalAlloc) / jobs
}

func (rs results) of(name string) *figures {
	for _, f := range rs {
		if f.name == name {
			return f
		}
	}
	return nil
}

// ratio is how many times longer one takes than another: the median over the
// rounds.
func (rs results) ratio(name, than string) float64 {
	a, b := rs.of(name), rs.of(than)
	ratios := make([]float64, len(a.each))
	for i := range ratios {
		ratios[i] = float64(a.each[i]) / float64(b.each[i])
	}
	return median(ratios)
}

func median[T float64 | time.Duration](values []T) T {
	values = slices.Sorted(slices.Values(values))
	return values[len(values)/2]
}

// print shows the figures, and the ratios to the first and to ours.
func (rs results) print(title, ours string) {
	fmt.Printf("\n%s\n\n", title)
	w := tabwriter.NewWriter(os.Stdout, 0, 0, 2, ' ', tabwriter.AlignRight)
	fmt.Fprintf(w, "\tns\tallocs\tB\tx %s\tx %s\t\t\n", rs[0].name, ours)
	for _, f := range rs {
		fmt.Fprintf(w, "%s\t%d\t%.0f\t%.0f\t%.2f\t%.2f\t%s\t\n", f.name, median(f.each).Nanoseconds(), f.allocs, f.bytes, rs.ratio(f.name, rs[0].name), rs.ratio(f.name, ours), f.note)
	}
	check(w.Flush())
}

// cpus is what the names of benchmarks end with.
func cpus() int { return runtime.GOMAXPROCS(0) }
