module __NAME__

go 1.24

require millstream.dev/sdk v0.1.0

// The SDK comes with Millstream: "millstream plugin new" has put it here.
replace millstream.dev/sdk => ./.millstream/sdk/go
