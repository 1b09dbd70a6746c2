module muster

go 1.26.0

require github.com/stretchr/testify v1.12.1

require (
	github.com/u-root/u-root v0.16.0 // indirect
	go.yaml.in/yaml/v3 v3.0.5 // indirect
	golang.org/x/arch v0.32.0 // indirect
)
