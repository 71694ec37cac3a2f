package sdk

import _ "millstream.dev/sdk/internal/wit/host" // The host, and the exports.
