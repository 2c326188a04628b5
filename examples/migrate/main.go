// Migrate reads the settings of a Power Pages site, or of an application of
// Logto, and prints what becomes of each with oidcrp. Nothing is changed, and
// nobody is asked.
//
//	go -C examples run ./migrate /path/to/sitesetting.yml
//	go -C examples run ./migrate /path/to/appsettings.json
//	Authentication__OpenIdConnect__Contoso__Authority=… go -C examples run ./migrate -env
//
// FILE is a portal's export in YAML, a list of adx_name and adx_value or of
// mspp_name and mspp_value; or an object of names and values, in YAML or JSON; or
// the JSON of Logto's documentation, with its comments and quotes. "-" is
// standard input. The exit status is 1 where something is wrong.
package main

import (
	"flag"
	"fmt"
	"io"
	"os"

	"github.com/seed-78edd7da/go-oidcrp/examples/migrate/portalexport"
	"github.com/seed-78edd7da/go-oidcrp/oidcrp/sitesettings"
)

func main() {
	os.Exit(run(os.Args[1:], os.Environ(), os.Stdin, os.Stdout, os.Stderr))
}

func run(args, environ []string, stdin io.Reader, stdout, stderr io.Writer) int {
	flags := flag.NewFlagSet("migrate", flag.ContinueOnError)
	flags.SetOutput(stderr)
	fromEnv := flags.Bool("env", false, "read the environment instead of a file")
	flags.Usage = func() {
		fmt.Fprintln(stderr, "usage: migrate FILE | migrate -env")
		flags.PrintDefaults()
	}
	if flags.Parse(args) != nil {
		return 2
	}
	if *fromEnv != (flags.NArg() == 0) || flags.NArg() > 1 {
		flags.Usage()
		return 2
	}
	var s sitesettings.Settings
	var err error
	if *fromEnv {
		s, err = sitesettings.FromEnviron(environ)
	} else {
		s, err = portalexport.Read(flags.Arg(0), stdin)
	}
	printReport(stdout, s)
	if err != nil && s.Report.Count(sitesettings.Wrong, sitesettings.Contradictory) == 0 { // no line has it
		fmt.Fprintln(stderr, err)
	}
	if err != nil {
		return 1
	}
	return 0
}

func printReport(w io.Writer, s sitesettings.Settings) {
	if s.Report == nil {
		return
	}
	r := s.Report
	fmt.Fprintf(w, "%d settings: %d wrong, %d contradictory, %d changed for safety, %d ignored, %d taken\n\n%s", len(r),
		r.Count(sitesettings.Wrong), r.Count(sitesettings.Contradictory), r.Count(sitesettings.Changed), r.Count(sitesettings.Ignored), r.Count(sitesettings.Taken), r)
	fmt.Fprintf(w, "\nNot given:\n\n%s", s.Defaults)
}
