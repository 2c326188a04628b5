// Package oidcrp adds OpenID Connect sign-in to net/http applications.
package oidcrp
