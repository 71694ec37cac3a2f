module kit

go 1.24

require millstream.dev/sdk v0.1.0

replace millstream.dev/sdk => ./.millstream/sdk/go
