// Package proxy is the stand-alone master of a SlapOS cluster: the server that
// nodes ask what to install and run, and that programs and people ask for
// instances. It is an http.Handler over one SQLite file, or over a PostgreSQL
// database that several of them serve.
//
//	master, err := proxy.Open(ctx, "/var/lib/slapos/proxy.db", proxy.WithComputerID("computer"))
//	if err != nil { … }
//	defer master.Close()
//	listener, err := net.Listen("tcp", "127.0.0.1:5000")
//	if err != nil { … }
//	err = master.Serve(ctx, listener)
//
// For tests, package proxytest starts a master in memory in one line.
//
// # Layers
//
//   - Surfaces: slaptool.go (the slap tool that nodes and clients speak),
//     hateoas.go (the documents behind service list and service info),
//     jsonapi.go (the JSON API) and panel.go (the panel), found by server.go.
//     They read calls and write answers.
//   - Master: master.go and the files beside it hold the rules: request.go
//     (allocation, trees), shared.go (shared instances), partition.go (bang,
//     rename, connection parameters, destruction), format.go, supply.go,
//     status.go, usage.go, frontend.go. They know no HTTP.
//   - Store: internal/store keeps tables and knows no rules.
//
// # Promises
//
// A call that changes something is one transaction, committed and synced to the
// disk before it is answered 200; calls that wait at the same time share one
// commit. Changes run one after another, so no two requests get the same
// partition. Reads see the last commit and do not wait for writes; what they
// answer is kept until what it shows changes. While the database cannot be
// written, because the disk is full or its files were removed or replaced,
// changes are refused with 503; they work again, without a restart, once it can.
//
// What was accepted can be told to nodes: identifiers hold no characters that XML
// cannot carry (400), in error logs and messages they are replaced, and one
// dictionary of parameters, filters or connection parameters takes 4 MiB at most
// as it is kept (413).
//
// There is no authentication in this mode: whoever reaches the listener may do
// everything. Listen on loopback unless something in front decides who comes
// in. A Host that is neither loopback, configured nor the address of the
// connection is refused, and so is a POST with a foreign Origin: a web page
// cannot drive the master through somebody's browser. Authenticator and
// Authorizer are asked on every call and are where other modes plug in.
//
// # PostgreSQL
//
// The address postgres://user@host:5432/database?sslmode=verify-full (or
// postgresql://) in the place of a path keeps the state in a database on a server;
// the tests use version 15. Any number of masters on any machines may then serve one
// cluster behind a balancer that sends calls to either, and each may be killed:
//
//   - Changes of all masters run one after another, under the lock of one row, and are
//     durable on the server before they are answered (synchronous_commit is never
//     less than on; it may be more). No two get the same partition.
//   - A read that begins after a change was answered, by whichever master, has it:
//     before a kept answer is used, the database is asked whether it changed. Calls
//     at the same time share that question.
//   - While the server is away calls are 503; afterwards they work, without a restart.
//     A change that was under way when the connection was lost may have been made;
//     its call is answered 503. A master that hangs in the middle of a change loses
//     it after 30 seconds, in which the others wait.
//
// The first master creates the tables, in an empty database whose encoding is UTF8
// (or in the first schema of search_path), and a newer version changes them when it
// starts: copy the database before. Masters of an older version then refuse changes.
// Each master has up to 1 + max(4, two per processor) connections. A pooler between
// them must keep sessions, and the address must lead to the primary server.
//
// Better than in the address, which other users of the machine may see, is the
// password in the file ~/.pgpass, or a client certificate; the environment of libpq
// (PGHOST, PGPASSFILE, …) is read for what the address does not have. Messages and
// logs name the database and the host only. Check, Show and Export work on such a
// database. Backup does not: pg_dump makes backups while masters run.
//
// Import ("slapos proxy import") fills it, in one transaction, from a file of the
// Python proxy, schema 10 to 18, or from a database of this master; Import also leads
// back to a file. The source is verified and stays as it is; stop its master before.
// The target, in which no computer was described yet, is verified before it has
// anything, and has nothing of an import that was interrupted: run it again. Masters
// that serve it go on with what was imported.
//
// Its texts hold no NUL and are UTF-8, and names, titles and addresses of releases
// have 2,600 bytes at most (400 otherwise); a file takes all. Changes are slower than
// with a file on a local disk, by the round trips of their statements, and so are
// reads, by one.
//
// # Database files
//
// A database of the Python proxy, schema 10 to 18 (releases up to 1.26), is imported
// by Open, which is how "slapos proxy start" begins:
//
//  1. The file is copied to NAME-backup-reference14-TIME.db, mode 0600: 14 is its
//     schema, TIME that of its last change. This original is never removed.
//  2. A new database is filled beside it, as NAME.import, in one transaction, and
//     verified: all of it can be told to nodes.
//  3. It takes the name NAME in one step. Until then NAME is the original, so that
//     an import that was interrupted is just run again.
//
// So database_uri stays what it was. The Python proxy, pointed at the new file,
// answers 500 and changes nothing. To go back, stop the master and put the original,
// or what Export writes, in the place of NAME. A file that cannot be imported is
// refused with the table and row that is wrong, and stays as it is; Check tells that
// before, and what an import changes:
//
//   - Up to schema 16 instances name the partition that requested them: the root of
//     the tree is looked for on the computer itself, elsewhere only if there is one
//     partition of that name. An instance whose requester is missing is a root; of
//     instances that have requested one another, the first is.
//   - References of shared instances that begin with the name of a partition begin
//     with the title of the root afterwards, as 1.26 asks for them; their hosts are
//     processed again. Shared instances whose host is gone are left out.
//   - Release 1.26 leaves names of partitions where titles of roots belong when it
//     upgrades a database of several computers: they are understood.
//   - Of a file with tables of several schemas, which an upgrade that failed leaves,
//     each table counts in the newest schema in which it has rows.
//
// Export writes schema 14 for 1.6.10 or 18 for 1.26, from a database of either
// master. 1.6.10 knows titles in no tree and partitions by their names alone: what
// it would mix up is named. States and errors, filters and usage reports stay behind.
//
// Our own schema has a version. An older one is brought forward when the database is
// opened, in one transaction, after a copy to NAME-backup-schema1-TIME.db; a newer
// one is refused and not touched. Backup copies a database while it is served, and
// Check verifies it. Retention tells what is removed: usage reports after 396 days,
// the texts of errors and bangs after 90 days, all but the newest 10 backups that
// have no name of their own. The configuration keys are report_retention_days,
// error_retention_days and backup_retention; 0 keeps all.
//
// # Moved releases
//
// A release that is named by a path lies below the local software release root
// (WithLocalSoftwareReleaseRoot), which the database keeps. Open, given another root
// than the kept one, takes it that the releases were moved. In one transaction, the
// paths below the old root of what is supplied and of instances then lead below the
// new one, except those to an existing file that is not there; if one root contains
// the other, no path changes. A release supplied at both places is one afterwards.
// Before that the database is copied to NAME-backup-softwareroot-TIME.db; one on
// PostgreSQL is not, which is logged: copy it with pg_dump. No timestamp changes.
// All masters of a database need the same root.
//
// # Operation
//
// Serve takes one or more listeners, TCP or Unix sockets, and speaks TLS and HTTP/2
// on the former with WithTLS; the certificate is read again when its files change.
// When its context ends, /readyz is 503 at once; after Limits.Drain, which Hurry
// ends, new connections are refused, running calls are finished, and those that take
// longer than Limits.Shutdown are cut off. Header, body and the time of each part of a call are
// bounded (Limits, WithMaxBody), and so is the memory of all large bodies together:
// one that finds no room for ten seconds is refused with 503 and a Retry-After. Of
// more connections than Limits.Connections, the last wait until others are closed.
//
//   - /healthz is 200 while the process answers.
//   - /readyz is 200 while the database answers and no shutdown began, else 503.
//     Neither tells anything else, so that anybody may ask, by any Host. Ready is
//     the same for programs.
//   - /metrics is for Prometheus: calls by surface, method and class of the status,
//     with their times; connections; commits, their times and the changes that shared them; the
//     cache; computers, partitions, instances and releases by wanted state and last
//     report; the age of the last contact of each computer, at most a thousand;
//     process and runtime. It names computers, so that it is answered to callers on
//     this machine and in the networks of WithMetricsFrom only, and to nobody behind
//     a reverse proxy. What callers send never becomes a name of a series.
//
// WithLogger gets a line for each call, at the level of information, in the layout
// of the reference; calls of the three paths above are at debug level. What callers
// wrote is quoted. The values of queries are shown for fields that hold names and
// states only, and URLs without user and password.
//
// # Other masters
//
// A request for a new instance goes to another master (WithMultimaster) if its
// filter names that one as master_url, or if its release is in the list of that
// one. The instance is requested there with the asking partition, or user, before
// its title, by a person or on behalf of a partition of that master; what is
// answered is passed on, with the name of the master as _master_url, and noted.
// No transaction is open while another master is asked.
//
// An instance that is here stays here, whatever the filter says. Only configured
// masters are asked anything, also whether they are this one: a filter cannot make
// this master connect to other addresses, and neither can a redirect. A master
// that is not configured is 404; 404 and 408 of the other master are passed on; one
// that cannot be reached is 523, any other failure of it 502. Masters that forward
// to each other in a ring are found out: 508.
//
// # Panel
//
// At /panel/ a person sees computers, partitions and releases, services with
// their trees, shared instances, parameters and connection parameters, states
// wanted and reported, errors and the times of reports; requests, changes, starts,
// stops, renames and destroys instances, has trees processed again, and supplies
// and removes releases. It is one page without anything from elsewhere, each view
// has an address (#/services, #/instance/COMPUTER/PARTITION), and what is shown is
// asked for again every few seconds (panel_api.go lists the calls). An action is
// refused if what the person saw has changed meanwhile. Other sites can neither
// embed the page nor make a browser act through it.
//
// Where a supplied release declares its parameters (package softwareschema), they
// are edited in a form and checked. The master reads the declaration itself: from
// the public directory (WithPublicDirectory), or from beside the release, at
// public addresses or the hosts of WithSchemaHosts only. Schemas that refer to
// other documents are checked whole, while the form shows such a part as JSON.
//
// # Front ends
//
// A shared request for one of the two front ends that web.md 6.2 names is answered
// without an instance: with the URL that it is for, or, to callers that reach the
// master by https, with an address below /http_proxy, where this master shows the
// web site.
//
// That HTTP proxy is no open relay. It shows what front ends that are requested
// now are for, by scheme, host and port, and follows redirects to such only; when a
// front end is stopped or destroyed, or its requester is gone, its site is not
// shown any more (403). A name is resolved once for each request. Link-local and
// multicast addresses, names of others that lead to this machine, and the master
// itself are refused. Only GET, HEAD and OPTIONS exist, a few headers pass, no
// cookie does. Answers are downloads in a sandbox, never pages of this master.
// Failures are 520 (unusable answer), 523 (no connection), 524 (too slow) and 526
// (TLS); certificates of sites are not verified.
//
// Behind a front proxy (WithTrustedProxies) every address that this master tells is
// one that callers of the front proxy can use: with the scheme and the path of
// X-Forwarded-Proto and X-Forwarded-Prefix, and the host that the front proxy passes
// as Host. From everybody else these headers are ignored.
//
// # Network cache
//
// Below /shacache (WithShacache) content is kept under its SHA-512 and, under keys,
// signed entries about content, for nodes that share what they built and downloaded.
// What is missing is asked for from the network cache above, if there is one, and
// kept; content that is not what its name says is refused. Uploads go to the disk as
// they come and get their names when they are whole. Signatures are for the readers:
// whoever reaches the master may put entries.
//
// # Compatibility
//
// Clients and nodes of slapos.core 1.6.10 and 1.26 work with it. The recorded
// exchanges of the clients 1.6.10 and 1.26.1 with the proxies 1.6.10 and 1.26.1, by
// the slap tool and by HATEOAS, are replayed by the tests. Where the two generations
// differ, it answers as 1.26.1 does; rows O1 to O8 tell where. Answers are equal byte
// by byte, and the same events change the same timestamps as with 1.26.1, with
// these exceptions, which follow the decisions in parentheses:
//
//   - A. Additional attributes: _access_status of listed partitions, _known_state
//     of releases about which something was reported, _filter_dict of instances.
//     Nodes use them; older clients ignore them (master.md 13.19).
//   - B. Unknown computers and partitions are 404 everywhere, with a text. The
//     reference answers 500 or, for some reports, 200 without doing anything, so
//     that its clients never raise the error that is documented (wire.md 11.1).
//   - C. Fields that cannot be read, or have the wrong type, are 400 instead of
//     500, and nothing is changed. So are releases supplied in another state than
//     available and destroyed, and those without a URL, which the reference takes.
//     Of shared_xml the truth counts, as with the reference: any value that is not
//     null, false, zero or empty asks for a shared instance.
//     Instances keep whatever state is asked for (wire.md 11.3).
//   - D. Missing partition_parameter_xml, filter_xml and shared_xml count as empty
//     instead of failing with 500 (wire.md 11.2).
//   - E. States, errors and bangs are kept, with their dates, and
//     getComputerStatus, getComputerPartitionStatus and
//     getSoftwareInstallationStatus tell them. Reports therefore need the fields
//     that say what they are about (400 without), and the release they are about
//     must be supplied (404 otherwise). All clients send them (master.md 13.18).
//   - F. A request without a state is answered with the state that is stored, not
//     with "started" (wire.md 11.5).
//   - G. Destroying a shared instance that does not exist is no error, whether its
//     host has others or not (wire.md 11.4).
//   - H. The ip_list of a request holds the addresses of that partition only, not
//     those of equally named partitions of other computers (wire.md 11.6).
//   - I. updateComputerPartitionRelatedInstanceList is answered: what an instance
//     no longer requests loses its link to it. Nothing is destroyed, unless an age
//     is set for that (WithUnlinkedAge; master.md 13.21).
//   - J. getHostingSubscriptionIpList is answered: the addresses of all instances
//     of the tree (master.md 13.20).
//   - K. useComputer accepts valid TioFormat only (400 otherwise) and keeps each
//     report once (master.md 13.38).
//   - L. / leads to the panel by a relative address, so that it holds behind any
//     prefix (web.md 5).
//   - M. /hateoas is answered like /hateoas/, for both generations, and both
//     spellings of portal types are understood. A traverse leads to documents of
//     this service only; the page of its redirect is empty (design.md: where both
//     can be accepted, both; web.md 10).
//   - P. Titles and references that hold a slash are escaped in addresses, so that
//     their documents are found (web.md 3.3).
//   - Q. Shared instances whose host is gone do not exist, instead of 500 for all
//     searches, and a host without shared instances has no list of them (web.md 10).
//
// Where the generations differ, the answers of the newer one (design.md):
//
//   - O1. A ComputerPartition has a third constructor argument, and its parameters
//     hold slap_computer_id, slap_computer_partition_id and
//     slap_software_release_url. Clients of 1.6.10 load both.
//   - O2. Titles are unique in a tree, not everywhere; instances know the title of
//     their root; keys of shared instances start with it; the root's state is imposed
//     on the whole tree (see WithDestroyInStoppedTrees); all of it is destroyed before the root, and told by title.
//   - O3. A header that names a partition which does not exist is 400.
//   - O4. Fields that all clients send are needed: 400 without.
//   - O5. An empty software type is "default", not "RootSoftwareInstance". Clients of
//     1.6.10 send theirs, which is kept.
//   - O6. What another master answers is passed on: 408 if it is not ready, 523 if
//     it cannot be reached.
//   - O7. HATEOAS documents have the addresses, columns, fields and names of the
//     newer; they hold all that the older clients read. Shared instances have one.
//   - O8. Front ends of callers that come by https are below /http_proxy.
//
// None of them breaks a client of 1.6.10, so that there is no configuration key for
// the older behaviour.
//
// Not visible in the recordings:
//
//   - Front proxies are believed if they are trusted; the reference believes
//     everybody.
//   - The HTTP proxy shows requested sites only, refuses what leads elsewhere with
//     403, passes paths on as they are escaped, and refuses bad ports with 400.
//   - The network cache keeps the entries of a key, newest first, where the reference
//     replaces them; serves them as JSON; and takes no other names than a SHA-512 in
//     lower case, and keys that are one segment and begin with no dot.
//   - What another master refuses is 404 or 408 as it said, else 502, where the
//     reference answers 500. Its certificate is verified unless told otherwise.
//   - A master that the filter names and the configuration does not is never asked
//     whether it is this one; this one is known by the address that it was called
//     by.
//   - Searches of /hateoas are answered with all rows, whatever limit says, as by the
//     reference: its clients ask for 40 and never for the next.
//   - The timestamp of a partition always grows, also if the clock goes back.
//   - Published connection parameters make the requester processed again also if
//     it is on another computer.
//   - A stopped shared instance leaves the list of its host, which is processed
//     again; so do the shared instances of a tree that is gone. A shared instance
//     goes with its host, and keeps its host while that fits.
//   - Freed and reformatted partitions, renames and supplies are atomic. What a node no
//     longer lists is deleted, unless WithFormatAsRealMaster is given.
//   - The database has a schema of its own. A database of the reference is taken
//     over after a backup copy of it was made.
//
// # JSON API
//
// POST /slapos.METHOD takes and answers one JSON object. The 25 methods are those
// of the reference's proxy 1.26; GET /slapos.json is the schema that every call
// and every answer is checked against, and GET /jsonapi/ a page made from it. What
// the methods do is what the slap tool does, one transaction each. A header
//
//	Authorization: X-SlapPartition computer_id=COMPUTER, computer_partition_id=PARTITION
//
// tells post.v0.software_instance on behalf of which instance it asks. A refusal
// is {"status": 403, "type": "Forbidden", "title": "what is wrong"}. An instance is
// named by its instance_guid, which is TITLE___ROOT___N: ROOT is the title of the
// root, empty for the root itself, N is 1 for a shared instance and else 0.
//
// All recorded exchanges with the reference's proxy 1.26.1 are replayed by the
// tests. Answers are equal byte by byte, timestamps aside, with these exceptions
// and with that of row H:
//
//   - J1. Pages that tell that there is no such path or method use words of our own.
//   - J2. Partitions without ip_list, and addresses without netmask or
//     network-interface, count as having none, instead of 500 after half of the
//     change was made.
//   - J3. Text that XML cannot carry is 400 instead of 500.
//   - J4. A parameter named timestamp is shown in the answer to a request.
//   - J5. An instance_guid is compared with those of the instances that exist, so
//     that titles may hold and end with underscores. One that stands for two
//     instances is refused. The list of what a host serves splits references by
//     the root that is known.
//   - J6. The state of a shared instance is the one that it has, not always
//     "started".
//   - J7. Shared instances that were destroyed, or whose host was, do not exist:
//     they are not listed, and 403 instead of 500. To destroy one that never
//     existed is no error.
//   - J8. An Origin that is foreign is refused with 403, before anything else.
//   - J9. What another master refuses, or has not ready, is 403 with a text, and
//     502 if it fails, instead of 500; so are 403 a master_url and a master that
//     are not configured. The text of 523 is our own.
//   - J10. States that the slap tool or an import brought, other than those that
//     can be asked for here, are told as they are. With the reference one such
//     instance makes every list that would have it 500.
//
// Not visible in the recordings of this API: the Accept header is checked before
// anything is done. Renaming a root renames its tree. What is reported about a
// computer, release or instance that exists is kept, as for the slap tool, though
// the answer is "Ignored"; about others it is accepted and forgotten. A usage
// report that is not empty must be valid TioFormat and come from a computer that
// was described; it is kept once. The status of a computer of which something is
// known tells it. An empty title, computer_guid to format, or partition_id is 400.
// Bodies are bounded: 100 levels, half a million values, numbers of 4300 digits.
// Half surrogates, and numbers that are too large for a floating-point number, are 400.
package proxy
