//go:build wasip1

// Package export_millstream_connect_plugin exports what a component says about itself.
package export_millstream_connect_plugin

import "millstream.dev/sdk/internal/contract"

// Describe is the description, as JSON.
func Describe() string { return contract.Guest.Describe() }
