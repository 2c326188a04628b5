package pages

import (
	"cmp"
	"errors"
	"fmt"
	"html/template"
	"maps"
	"regexp"
	"slices"
	"strings"
	"text/template/parse"
	"unicode/utf8"
)

// The settings that errors are about.
const (
	inMessages = "Messages"
	inPages    = "Pages"
)

// addMessages fills texts with the built-in messages and the caller's.
func (p *Renderer) addMessages(messages map[string]map[string]string) []error {
	p.texts = Defaults()
	var errs []error
	from := make(map[string]string) // canonical tag to the caller's
	for _, tag := range slices.Sorted(maps.Keys(messages)) {
		// No language has a subtag of more than three letters (RFC 5646 2.2.1).
		if language, _, _ := strings.Cut(tag, "-"); !validTag(tag) || len(language) > 3 {
			errs = append(errs, fmt.Errorf(`%s: %q is no language tag; use one like "de" or "pt-BR"`, inMessages, tag))
			continue
		}
		known := canonical(tag)
		if other, twice := from[known]; twice {
			errs = append(errs, fmt.Errorf("%s: %q and %q are the same language; merge them", inMessages, other, tag))
			continue
		}
		from[known] = tag
		errs = append(errs, p.addLanguage(known, messages[tag])...)
	}
	p.tags = make(map[string]string, len(p.texts))
	for tag := range p.texts {
		p.tags[strings.ToLower(tag)] = tag
	}
	p.order = slices.Sorted(maps.Keys(p.tags))
	return errs
}

func (p *Renderer) addLanguage(tag string, messages map[string]string) []error {
	if p.texts[tag] == nil {
		p.texts[tag] = make(map[string]string, len(messages))
	}
	var errs []error
	for _, key := range slices.Sorted(maps.Keys(messages)) {
		mistakes := checkMessage(key, messages[key])
		for _, err := range mistakes {
			errs = append(errs, fmt.Errorf("%s: %s: %q: %w", inMessages, tag, key, err))
		}
		if mistakes == nil {
			p.texts[tag][key] = messages[key]
		}
	}
	return errs
}

var placeholder = regexp.MustCompile(`\{[^{}]*\}`)

// checkMessage refuses what would reach visitors as a gap or as "{usr}".
func checkMessage(key, text string) []error {
	i := slices.IndexFunc(texts, func(t message) bool { return t.key == key })
	if i < 0 {
		return []error{errors.New("unknown key; the keys are those of the default messages")}
	}
	if strings.TrimSpace(text) == "" {
		return []error{errors.New("is empty; leave it out to keep the built-in text")}
	}
	if !utf8.ValidString(text) {
		return []error{errors.New("is not UTF-8")}
	}
	var errs []error
	has, known := placeholder.FindAllString(text, -1), texts[i].placeholders()
	for _, name := range has {
		if !slices.Contains(known, name) {
			errs = append(errs, fmt.Errorf("%s has no meaning here; the text may have %s", name, cmp.Or(strings.Join(known, ", "), "none")))
		}
	}
	for _, name := range known {
		if !slices.Contains(has, name) {
			errs = append(errs, fmt.Errorf("%s is missing; keep it, since nothing else names it", name))
		}
	}
	return errs
}

// addTemplates takes the caller's templates over and tries each.
func (p *Renderer) addTemplates(custom *template.Template) []error {
	if custom == nil {
		return nil
	}
	// A copy, so that neither escaping nor a later Parse is shared.
	set, err := custom.Clone()
	if err != nil {
		return []error{fmt.Errorf("%s: %w; pass them before executing any", inPages, err)}
	}
	used := make(map[string]bool)
	for _, name := range append(Names(), "layout") {
		if t := set.Lookup(name); t != nil && t.Tree != nil {
			p.own[name] = t
			reach(set, name, used)
		}
	}
	var errs []error
	for _, name := range templateNames(set) {
		if !used[name] {
			errs = append(errs, fmt.Errorf("%s: %q is not one of %s or layout, nor used by one; rename it, or remove it", inPages, name, strings.Join(Names(), ", ")))
		}
	}
	for _, name := range slices.Sorted(maps.Keys(p.own)) {
		if err := p.try(name); err != nil {
			errs = append(errs, fmt.Errorf("%s: %w", inPages, err))
		}
	}
	return errs
}

// templateNames lists the templates that say something: a file that holds
// nothing but definitions leaves an empty one under its own name.
func templateNames(set *template.Template) []string {
	var names []string
	for _, t := range set.Templates() {
		if t.Tree != nil && !parse.IsEmptyTree(t.Tree.Root) {
			names = append(names, t.Name())
		}
	}
	slices.Sort(names)
	return names
}

// reach marks name, and what it calls, as used.
func reach(set *template.Template, name string, used map[string]bool) {
	t := set.Lookup(name)
	if used[name] || t == nil || t.Tree == nil {
		return
	}
	used[name] = true
	for _, called := range calls(t.Tree.Root) {
		reach(set, called, used)
	}
}

// calls lists the templates that a part of a template calls.
func calls(n parse.Node) []string {
	switch n := n.(type) {
	case *parse.TemplateNode:
		return []string{n.Name}
	case *parse.ListNode:
		var names []string
		if n != nil { // no else
			for _, child := range n.Nodes {
				names = append(names, calls(child)...)
			}
		}
		return names
	case *parse.IfNode:
		return append(calls(n.List), calls(n.ElseList)...)
	case *parse.WithNode:
		return append(calls(n.List), calls(n.ElseList)...)
	case *parse.RangeNode:
		return append(calls(n.List), calls(n.ElseList)...)
	}
	return nil
}

// try executes a custom template for full pages and empty ones, as a misspelt
// field, or one taken to be there always, shows only then. The first failure
// is enough.
func (p *Renderer) try(name string) error {
	names := []string{name}
	if name == "layout" {
		names = Names()
	}
	for _, n := range names {
		for _, page := range []Page{sample(n), {Name: n}} {
			t := p.own[name]
			content, layout := p.pages[n], p.pages["layout"]
			if name == "layout" {
				layout = t
			} else {
				content = t
			}
			if _, err := execute(p.view(page), content, layout); err != nil {
				return err
			}
		}
	}
	return nil
}

// sample is a page with all it can have.
func sample(name string) Page {
	return Page{
		Name: name, SiteName: "Site", Home: "/", ID: "id", RetryURL: "/retry", User: "user", Action: "/action",
		Providers:  []Link{{Name: "one", URL: "/one"}, {Name: "two", URL: "/two"}},
		Fields:     []Field{{Name: "name", Value: "value"}},
		Inputs:     []Input{{Name: "name", Label: "Name", Value: "value", Required: true, Error: "error"}, {Name: "other"}},
		AutoSubmit: true,
	}
}
