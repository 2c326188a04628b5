package oidcrp

import (
	"errors"
	"fmt"
	"mime"
	"net/http"
)

// maxForm bounds the forms that our own addresses read.
const maxForm = 16 << 10

// readForm reads the form of a request, as ParseForm does.
func readForm(w http.ResponseWriter, r *http.Request) error {
	r.Body = http.MaxBytesReader(w, r.Body, maxForm)
	if err := r.ParseForm(); err != nil {
		return fmt.Errorf("%w: %w", errBadRequest, err)
	}
	return nil
}

// readScriptedForm is readForm where a script may have sent it. FormData is read
// too; a script that sends JSON would believe that it was, and is told.
func readScriptedForm(w http.ResponseWriter, r *http.Request) error {
	if err := readForm(w, r); err != nil {
		return err
	}
	switch err := r.ParseMultipartForm(maxForm); {
	case errors.Is(err, http.ErrNotMultipart):
		kind, _, _ := mime.ParseMediaType(r.Header.Get("Content-Type"))
		if kind != "application/x-www-form-urlencoded" && r.ContentLength != 0 {
			return fmt.Errorf("%w: the body is no form", errBadRequest)
		}
	case err != nil:
		return fmt.Errorf("%w: %w", errBadRequest, err)
	}
	return nil
}
