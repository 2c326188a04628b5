// Quickstart is the shortest application that people sign in to. It brings a
// development provider along, so that nothing else is needed:
//
//	go -C examples run ./quickstart
//
// With a real provider only the setting Providers changes:
//
//	Providers: []oidcrp.Provider{{Issuer: "https://login.example.com", ClientID: "…", ClientSecret: "…"}},
package main

import (
	"fmt"
	"log"
	"net/http"

	"github.com/seed-78edd7da/go-oidcrp/oidcrp"
	"github.com/seed-78edd7da/go-oidcrp/oidcrp/oidcrptest"
)

func main() {
	provider, err := oidcrptest.StartProvider("127.0.0.1:4000")
	if err != nil {
		log.Fatal(err)
	}
	rp, err := oidcrp.New(oidcrp.Config{
		BaseURL:   "http://localhost:3000",
		Providers: []oidcrp.Provider{provider.Config("dev", "http://localhost:3000")},
	})
	if err != nil {
		log.Fatal(err)
	}
	hello := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		fmt.Fprintf(w, "Hello, %s\n", oidcrp.FromContext(r.Context()).Name())
	})
	log.Println("open http://localhost:3000")
	log.Fatal(http.ListenAndServe("localhost:3000", rp.Protect(hello)))
}
