module github.com/seed-78edd7da/go-oidcrp/internal/interop

go 1.26.0

replace github.com/seed-78edd7da/go-oidcrp => ../..

