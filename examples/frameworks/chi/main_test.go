package main

import (
	"testing"

	"github.com/seed-78edd7da/go-oidcrp/examples/frameworks/recipe"
)

func TestRecipe(t *testing.T) { recipe.Test(t, app) }
