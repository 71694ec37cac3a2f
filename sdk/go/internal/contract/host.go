package contract

// Boundary is where a transaction ends.
type Boundary struct {
	// Behind is the row, -1 for all that the poll returns.
	Behind int64
	Abort  bool
}

// Report is a record as it is written to a topic. Nil keys and values are null.
type Report struct {
	Key, Value []byte
	Headers    []ReportHeader
}

// ReportHeader is a header of a Report.
type ReportHeader struct {
	Key   string
	Value []byte
}

// KeyChange is a key of a lease with its new value; nil removes it.
type KeyChange struct {
	Key   string
	Value []byte
}

// Parameter of a SQL statement.
type Parameter struct {
	Kind  string
	Value *string
}

// Progress of a piece of work.
type Progress struct {
	Done  float64
	Total *float64
	Unit  string
}

// Runtime is what the host offers.
type Runtime interface {
	LogEnabled(level uint8) bool
	Log(level uint8, message string)
	Wait(ms uint32) bool
	Rest(ms uint32)

	DeclareMetric(name string, gauge bool, help string) *Error
	Count(name string, more float64) *Error
	Gauge(name string, value float64) *Error
	ReportProgress(what string, now *Progress) *Error

	// OpenFile is nil without an error if a file opened for reading does not exist.
	OpenFile(key string) (File, *Error)
	ReadOffsets(partitions []string) ([]*string, *Error)
	TransactionsAvailable() bool
	SetBoundaries(boundaries []Boundary)
	RequestTaskReconfiguration()
	RaiseError(raised Error)

	Assignment() []TopicPartition
	Seek(offsets []TopicOffset)
	Pause(partitions []TopicPartition) *Error
	Resume(partitions []TopicPartition) *Error
	Timeout(ms uint32)
	RequestCommit()
	Report(errors []RowError) *Error
	WriteReports(key string, reports []Report) *Error

	ObtainLease() (uint64, *Error)
	ConfirmLease(epoch uint64) *Error
	LeaseKeys() ([]string, *Error)
	ReadLease(keys []string) ([][]byte, *Error)
	WriteLease(epoch uint64, changes []KeyChange) *Error

	OpenDatabase(key, options string) (Database, *Error)
}

// File that a configuration key names.
type File interface {
	Read(max uint32) ([]byte, *Error)
	// Size is -1 for a stream.
	Size() (int64, *Error)
	Seek(position uint64) *Error
	Write(bytes []byte) *Error
	Truncate(length uint64) *Error
	Sync() *Error
	EndsRest() bool
	Close()
}

// Database that a configuration key names.
type Database interface {
	About() (string, *Error)
	Now() (string, *Error)
	Tables(filter string) (string, *Error)
	Table(name string) (*string, *Error)
	Check(sql string) (string, *Error)
	Query(sql string, parameters []Parameter, options string) (Rows, *Error)
	Execute(sql string, parameters []Parameter) (uint64, *Error)
	Prepare(sql, bindings string) (Statement, *Error)
	Begin() *Error
	Commit() *Error
	Rollback() *Error
	Listen(channel string) *Error
	Notifications() ([]string, *Error)
	EndsRest() bool
	Close()
}

// Rows of a query.
type Rows interface {
	// Next is nil without an error at the end.
	Next(maxRows, maxBytes uint32) ([]byte, *Error)
	Close()
}

// Statement over rows of batches.
type Statement interface {
	Run(records, only []byte) (changed uint64, errors []RowError, failed *Error)
	Close()
}

// Host is the host; nil until a component's bindings or a test set it.
var Host Runtime
