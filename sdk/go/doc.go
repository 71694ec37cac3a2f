// Package sdk is for plugins of Millstream, which is data integration that speaks Kafka Connect: sources, sinks, transforms,
// predicates and converters as sandboxed WebAssembly components.
//
// A plugin is a main package whose main is empty and whose init registers what it carries:
//
//	func init() {
//		sdk.RegisterSource(sdk.Plugin{Class: "org.example.Tick", Version: "1"}, NewTickTask)
//	}
//
//	func main() {}
//
// Everything else follows from the type of the function that is registered: the struct of its configuration declares the
// keys (package config), and what it returns implements the kind's interface. One call at a time enters a plugin, and a
// panic becomes an error with file and line.
//
// "millstream plugin build" makes the component with stock Go; natively, plugins are tested with package sdktest.
package sdk
