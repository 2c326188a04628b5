package main

import (
	"bufio"
	"encoding/json"
	"io"
	"os"
	"os/exec"
	"time"

	"github.com/seed-78edd7da/go-oidcrp/oidcrp"
	"github.com/seed-78edd7da/go-oidcrp/oidcrp/oidcrptest"
)

// asProvider is the environment variable that makes this program a provider.
const asProvider = "OIDCRP_SCALE_PROVIDER"

// registered is what a provider says to the process that started it.
type registered struct{ Issuer, ClientID, ClientSecret string }

// beProvider signs alice in at once, and takes new keys each minute, until its
// standard input ends.
func beProvider() {
	op := must(oidcrptest.StartProvider("127.0.0.1:0"))
	op.SetAlgorithm("ES256")
	op.SetTokenLifetime(5 * time.Second)
	op.SignInAs("alice")
	c := op.Config("default", baseURL)
	check(json.NewEncoder(os.Stdout).Encode(registered{c.Issuer, c.ClientID, string(c.ClientSecret)}))
	go func() {
		for range time.Tick(time.Minute) {
			op.RotateKeys()
			op.DropOldKeys()
			op.ResetCalls()
		}
	}()
	io.Copy(io.Discard, os.Stdin)
	check(op.Close())
}

// startProvider starts a process that is a provider.
func startProvider() (p oidcrp.Provider, stop func()) {
	cmd := exec.Command(must(os.Executable()))
	cmd.Env = append(os.Environ(), asProvider+"=1")
	stdin, stdout := must(cmd.StdinPipe()), must(cmd.StdoutPipe())
	check(cmd.Start())
	var said registered
	check(json.Unmarshal(must(bufio.NewReader(stdout).ReadBytes('\n')), &said))
	return oidcrp.Provider{
			Name: "default", Issuer: said.Issuer, ClientID: said.ClientID, ClientSecret: oidcrp.Secret(said.ClientSecret),
			Algorithms: []string{"ES256"},
			PAR:        oidcrp.Refused, // a start is to cost what it costs us
		}, func() {
			stdin.Close()
			check(cmd.Wait())
		}
}
