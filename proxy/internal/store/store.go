package store

import (
	"context"
	"errors"
)

// Errors that callers decide on.
var (
	// ErrNotFound is returned by look-ups of one row that does not exist.
	ErrNotFound = errors.New("not found")
	// ErrUnavailable is returned, wrapped, when the database cannot be read
	// or written: disk full, read-only file system, input/output error.
	// Nothing of the failed update is kept, unless the error is ErrUncertain as
	// well; a later one may succeed.
	ErrUnavailable = errors.New("database unavailable")
	// ErrUncertain is returned, wrapped, if the connection to the database
	// broke during the commit: the update was made, or not. SQLite has none.
	ErrUncertain = errors.New("the change may have been made or not")
	// ErrText is returned, wrapped, for a text that the database cannot keep.
	// SQLite keeps every text.
	ErrText = errors.New("the database cannot keep this text")
	// ErrClosed is returned after Close.
	ErrClosed = errors.New("database closed")
	// ErrNewer is returned by Open for a database of a newer version.
	ErrNewer = errors.New("database written by a newer version")
	// ErrForeign is returned by Open for a database of another program.
	ErrForeign = errors.New("not a database of this program")
	// ErrReference is returned by Open for a database of the reference's
	// proxy, written in Python.
	ErrReference = errors.New("database of the Python proxy")
	// ErrInUse is returned by Open if another process serves the database.
	ErrInUse = errors.New("database in use by another process")
)

// Store is the state of one master. It is safe for concurrent use.
type Store interface {
	// View runs f on a consistent snapshot. It does not wait for updates.
	View(ctx context.Context, f func(Reader) error) error
	// Update runs f alone and returns once its changes are durable, or with
	// the error of f, in which case nothing was changed, but see ErrUncertain.
	// Updates that wait at the same time may share one commit. If ctx ends
	// before f starts, f does not run; afterwards the update is completed
	// whatever happens to ctx.
	Update(ctx context.Context, f func(Tx) error) error
	// Version returns a number that is larger after each committed change of
	// what a computer shows; with a partition, of what that partition shows.
	// It is raised before Update returns, also for other processes that serve the
	// same database.
	Version(ctx context.Context, computer, partition string) (uint64, error)
	// Check verifies what the package promises about the content, as far as the
	// database can tell also its files. The error joins all that is wrong.
	Check(ctx context.Context) error
	// Close waits for running updates and closes the database.
	Close() error
}

// Reader reads one snapshot. Order is the order of creation, unless a method
// tells otherwise.
type Reader interface {
	// Computer returns a computer by its reference, or ErrNotFound.
	Computer(reference string) (*Computer, error)
	// Computers returns all computers.
	Computers() ([]*Computer, error)
	// Software returns what is supplied on a computer.
	Software(c *Computer) ([]*Software, error)
	// SoftwareByURL returns one supplied release, or ErrNotFound.
	SoftwareByURL(c *Computer, url string) (*Software, error)
	// Partitions returns the partitions of a computer with their instances,
	// addresses and the shared instances that they host.
	Partitions(c *Computer) ([]*Partition, error)
	// Shown returns those that are not hidden, without the errors and bangs, which
	// may be long: what nodes are told. It is for reading: saving the status of what it returns
	// would lose them.
	Shown(c *Computer) ([]*Partition, error)
	// Partition returns one partition with all its parts, or ErrNotFound.
	Partition(computer, reference string) (*Partition, error)
	// Occupied returns one partition with its instance, without addresses
	// and shared instances, or ErrNotFound.
	Occupied(computer, reference string) (*Partition, error)
	// ByInstance returns the partition of an instance as Occupied does.
	ByInstance(instance int64) (*Partition, error)
	// Find returns the partition of the first instance of that title in a
	// tree ("" for the roots), as Occupied does, or ErrNotFound.
	Find(tree, title string) (*Partition, error)
	// Titled returns the partition of the first instance of that title in
	// any tree, as Occupied does, or ErrNotFound.
	Titled(title string) (*Partition, error)
	// Members returns the partitions of the instances below the root of a
	// tree, on all computers, as Occupied does.
	Members(tree string) ([]*Partition, error)
	// Roots returns the partitions of all roots, or of those of one title,
	// as Occupied does.
	Roots(title string) ([]*Partition, error)
	// EachRoot calls f with each root, or with those of one title, as Roots does, and
	// keeps none. It ends with the error of f, which must not read.
	EachRoot(title string, f func(Root) error) error
	// ShownToRoots returns, by host, the entries of the shared instances that roots,
	// or those of one title, are shown, in the order in which they are.
	ShownToRoots(title string) (map[int64][]string, error)
	// EachSharedService calls f with the key of each shared instance that its host is
	// shown and that no instance requested, and the release of the host. It ends with
	// the error of f, which must not read.
	EachSharedService(f func(key, release string) error) error
	// Children returns the partitions of the instances that were last
	// requested by an instance, as Occupied does.
	Children(requester int64) ([]*Partition, error)
	// Unlinked returns the partitions of the instances that were unlinked before a
	// time, as Occupied does.
	Unlinked(before float64) ([]*Partition, error)
	// FirstFree returns the first free partition of a computer, without
	// addresses, or ErrNotFound.
	FirstFree(c *Computer) (*Partition, error)
	// Host returns the first partition that can host a shared instance of a
	// release on a computer. Type and partition restrict it unless empty; it is
	// hidden only if it is that partition.
	Host(c *Computer, release, softwareType, partition string) (*Partition, error)
	// Addresses returns the addresses of a partition.
	Addresses(p *Partition) ([]Address, error)
	// Shared returns a shared instance by key and computer, or ErrNotFound.
	Shared(c *Computer, key string) (*Shared, error)
	// SharedByKey returns the shared instances of a key on all computers.
	SharedByKey(key string) ([]*Shared, error)
	// SharedOfTree returns the shared instances requested by a tree ("" for
	// those requested by nobody's instance).
	SharedOfTree(tree string) ([]*Shared, error)
	// SharedOf returns the shared instances last requested by an instance.
	SharedOf(requester int64) ([]*Shared, error)
	// UnlinkedShared returns the shared instances that were unlinked before a time.
	UnlinkedShared(before float64) ([]*Shared, error)
	// SharedOfHost returns the shared instances that an instance serves, whether
	// its node is shown them or not, but those in one state.
	SharedOfHost(host int64, except string) ([]*Shared, error)
	// AllShared returns all shared instances.
	AllShared() ([]*Shared, error)
	// Forwarded returns the requests that other masters serve.
	Forwarded() ([]Forwarded, error)
	// FrontEnd returns a front end by its reference, or ErrNotFound.
	FrontEnd(reference string) (FrontEnd, error)
	// FrontEndOf returns the first front end that shows an origin, or
	// ErrNotFound.
	FrontEndOf(origin string) (FrontEnd, error)
	// Setting returns what is kept under a name, or nothing.
	Setting(name string) (string, error)
	// Counts returns how much there is. It reads all rows.
	Counts() (Counts, error)
	// ListServices lists what persons requested, by title: the roots of trees, and
	// shared instances that are not destroyed. What is searched is title, computer,
	// partition, release, type, wanted state, health, "instance" or "shared".
	ListServices(p Part) (Listed[Service], error)
	// ListComputers lists computers by reference. Searched are reference, address
	// and health; those heard of before a time are "silent".
	ListComputers(p Part, silent float64) (Listed[ListedComputer], error)
	// SizeOf tells how much a computer has.
	SizeOf(c *Computer) (ComputerSize, error)
	// ListPartitions lists the partitions of a computer. Searched are reference,
	// addresses, what ListServices searches of an instance, and the title of its
	// root; or "free".
	ListPartitions(c *Computer, p Part) (Listed[ListedPartition], error)
	// ListReleases lists supplied releases by URL, each with up to a number of
	// computers. Searched are URL, computer, wanted state and health.
	ListReleases(p Part, computers int) (Listed[Release], error)
	// ListInstallations lists where a release is supplied, as ListReleases does.
	ListInstallations(url string, p Part) (Listed[Installation], error)
	// ListSoftware lists what is supplied on a computer, as ListReleases does.
	ListSoftware(c *Computer, p Part) (Listed[Installation], error)
	// Problems returns what reports an error, and computers heard of before a
	// time, up to a number of each.
	Problems(silent float64, limit int) (Problems, error)
	// UsageReports returns the usage reports of a computer, or of all
	// computers if c is nil.
	UsageReports(c *Computer) ([]*UsageReport, error)
}

// Tx reads and changes the state inside one update.
type Tx interface {
	Reader

	// EnsureComputer returns a computer, creating it if needed.
	EnsureComputer(reference string) (*Computer, error)
	// FormatComputer writes the addresses of a computer, marks it as formatted
	// and makes it the last in order.
	FormatComputer(c *Computer) error
	// SaveComputerStatus writes the status and the bang of a computer.
	SaveComputerStatus(c *Computer) error
	// SaveSoftwareStatus writes the status and the error of a release; shown
	// tells that answers about the computer change with it.
	SaveSoftwareStatus(s *Software, shown bool) error
	// InsertSoftware adds a supplied release at the end.
	InsertSoftware(s *Software) error
	// MoveSoftware gives a supplied release another URL, which no other release on
	// its computer has.
	MoveSoftware(s *Software, url string) error
	// DeleteSoftware removes a supplied release.
	DeleteSoftware(s *Software) error
	// InsertPartition adds a free partition at the end.
	InsertPartition(c *Computer, reference string) (*Partition, error)
	// DeletePartition removes a partition with all that it holds.
	DeletePartition(p *Partition) error
	// ReplaceAddresses sets the addresses of a partition.
	ReplaceAddresses(p *Partition, addresses []Address) error
	// SaveHidden writes whether a partition, which must be busy for that, is hidden.
	SaveHidden(p *Partition) error
	// Occupy puts an instance into a free partition and writes its timestamp.
	Occupy(p *Partition, i *Instance) error
	// SaveInstance writes all fields of the instance of a partition.
	SaveInstance(p *Partition) error
	// SaveStatus writes only the status, error and bang of an instance; shown
	// tells that answers about the partition change with it.
	SaveStatus(p *Partition, shown bool) error
	// Free removes the instance of a partition and the shared instances that
	// it hosts. A hidden partition goes with it.
	Free(p *Partition) error
	// SaveTimestamp writes the timestamp of a partition.
	SaveTimestamp(p *Partition) error
	// RenameTree gives all instances and shared instances of a tree a new
	// root title.
	RenameTree(old, new string) error
	// SaveShared writes a shared instance, creating it if its ID is zero.
	SaveShared(s *Shared) error
	// NextPosition returns a position after those of all shared instances.
	NextPosition() (int64, error)
	// SaveForwarded notes, once, that a master serves a request.
	SaveForwarded(f Forwarded) error
	// DeleteForwarded forgets it.
	DeleteForwarded(f Forwarded) error
	// SaveFrontEnd writes a front end, creating it if needed.
	SaveFrontEnd(f FrontEnd) error
	// DeleteFrontEnd forgets it.
	DeleteFrontEnd(reference string) error
	// SaveSetting keeps a value under a name.
	SaveSetting(name, value string) error
	// Prune removes the usage reports received, and the texts of the errors and
	// bangs that happened, before given times; zero keeps all. It returns how many
	// it removed. The versions that stay of a report have no gap.
	Prune(reports, errors float64) (int64, error)
	// InsertUsageReport stores a report and gives it a version, unless the
	// same text is stored under the same reference; it tells whether it did.
	InsertUsageReport(c *Computer, r *UsageReport) (bool, error)
}
