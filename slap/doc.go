// Package slap is the client of a SlapOS master: it requests instances, offers
// software releases, reads what a computer has to run, and reports back. It
// speaks the slap tool protocol of slapos.core, releases 1.6.10 to 1.26, with a
// stand-alone master as well as with a real one.
//
// The smallest program asks for an instance and prints where it is:
//
//	master, err := slap.New("http://localhost:5000")
//	if err != nil { ... }
//	part, err := slap.WaitConnectionParameters(ctx, master.OpenOrder(), slap.Request{
//		SoftwareRelease: "https://example.org/web/software.cfg",
//		Reference:       "my-site",
//		Parameters:      slap.Parameters{"title": "Hello"},
//	}, []string{"url"})
//	if err != nil { ... }
//	url, err := part.ConnectionParameter("url")
//
// A program release, which fills a partition, starts with
// [PartitionFromEnvironment] instead.
//
// # Rules
//
// A method with a context talks to the master; a method without one does no I/O
// and answers from what was read before. [New] does no I/O either. All types
// may be shared by goroutines. Nothing is read from the environment or written
// to the standard streams.
//
// # The world of a master
//
// A software release is a URL: what is found there tells how to build a program
// and how to run instances of it. A computer, or node, is a machine on which the
// master may have software releases built and instances run. It is divided into
// partitions, places with a directory, a user and addresses of their own, which
// are free or hold one instance each.
//
// An instance is made from a software release, of which it is one of the
// software types, and from instance parameters, a dictionary chosen by whoever
// requests it. When it runs it publishes connection parameters, a dictionary
// that tells its requester how to use it.
//
// People request root instances, through an open order. An instance may request
// others for its own use, its children; a root instance with all that was
// requested below it is an instance tree, once called a hosting subscription. Within
// a tree, an instance is known by its reference, also called its title, which the
// requester chooses: requesting a reference again changes the instance, or
// tells about it, and never makes a second one.
//
// A shared instance, or slave, has no partition of its own: it is an entry in the
// list of an instance that runs already, its host, which has the same software
// release. A front end that serves many sites is such a host. The host finds the
// parameters of its shared instances in [ComputerPartition.SharedInstances] and
// publishes connection parameters for each.
//
// # Types
//
// The types are these objects, and each has the methods that the documentation
// of slapos.core gives it:
//
//	Client             the way to a master, and to all objects below
//	OpenOrder          requests root instances
//	Supply             offers software releases on computers
//	Computer           a node: what it has to build and to run
//	SoftwareRelease    a software release, on a computer
//	ComputerPartition  a partition, and the instance in it
//
// Who uses what: a person uses OpenOrder and Supply; the agent of a node uses
// Computer, SoftwareRelease and the reports of ComputerPartition; a program
// release uses the ComputerPartition it is in.
//
// Besides the slap tool protocol, which is XML, masters have a HATEOAS interface
// in JSON with what people want to look at: lists of instances and of computers,
// all that is known of one of them, news, and tokens to register computers.
// [Client.Computers], [Client.OpenOrders] and the methods named Information and
// News read it.
//
// # The life of an instance
//
//  1. Supply: a person offers a software release on a computer ([Supply.Supply]).
//     The agent of the computer finds it in [Computer.SoftwareReleases], wanted
//     available; it reports [SoftwareRelease.Building], then
//     [SoftwareRelease.Available] or [SoftwareRelease.ReportError].
//  2. Request: a person ([OpenOrder.Request]) or an instance
//     ([ComputerPartition.Request]) asks for an instance. The master looks for a
//     free partition. A real master does that later: the error is
//     [ErrNotReady] at first, and the same request repeated gives the partition.
//     A stand-alone master does it at once, and if none is free the error is
//     [ErrNotFound].
//  3. Run: the agent finds the instance in [Computer.Partitions], wanted started.
//     It reports [ComputerPartition.Started] or, whenever something fails,
//     [ComputerPartition.ReportError].
//  4. Publish: what the agent runs, or a recipe of the software release, calls
//     [ComputerPartition.SetConnectionParameters]. The requester repeats its
//     request and finds them in [ComputerPartition.ConnectionParameters];
//     [WaitConnectionParameters] is that loop.
//  5. Change: a request with other parameters, another software release, another
//     type or another state changes the instance. Its timestamp grows, and the
//     agent processes it again. [ComputerPartition.Bang] asks for that without a
//     change, for the whole tree, when an instance finds out that it is not what
//     it should be.
//  6. Stop: a request with [StateStopped]. The agent stops what runs and reports
//     [ComputerPartition.Stopped]. Everything is kept. As long as the root
//     instance of a tree is wanted stopped, its other instances are too.
//  7. Destroy: a request with [StateDestroyed]. The agent removes the instance
//     and reports [ComputerPartition.Destroyed]; the master then frees the
//     partition. If the instance has children, they are wanted destroyed first,
//     and the report has to be repeated until they are gone: agents report at each
//     of their passes, so that a tree dies from its leaves. An instance is gone
//     when [OpenOrder.Information] does not find it. To request it destroyed once
//     more then is a mistake: a stand-alone master finds a place for it anew, until
//     the next pass, or none ([ErrNotFound]).
//
// Software releases end likewise: Supply with [StateDestroyed], then
// [SoftwareRelease.Destroyed].
//
// # States
//
//	started    instance: it has to run
//	stopped    instance: it has to be there, and not to run
//	destroyed  instance: it has to go; also what a free partition says
//	           software release: it has to be removed
//	available  software release: it has to be built
//
// These are wanted states. What is the case is told by the status messages,
// whose text begins with #access if all is well, #building, or #error:
// [Computer.Status], [ComputerPartition.Status], [SoftwareRelease.Status]. A
// stand-alone master of the reference keeps no messages. A request without a
// state asks for started if the instance is new, and else for no change.
//
// # Timestamps
//
// [ComputerPartition.Timestamp] is the time of the last change of an instance, in
// seconds since 1970. A real master writes an integer, a stand-alone one a
// fraction. An agent that has processed an instance keeps the text, and does it
// again when the text is another one. What moves it: a request that changes
// something; the first allocation; for a host, also the change of a shared
// instance; a bang, of any instance of the tree; and, in masters since 1.26, new
// connection parameters of an instance, which move that of its requester.
// Repeating a request, reporting and renaming do not.
//
// # Parameters
//
// Instance parameters, connection parameters and filters are [Parameters]. The
// types of values travel to the master, but it stores everything as text: 3 comes
// back as "3" and the empty text as null. Software that needs more than texts
// declares that it is serialised as json-in-xml, and has one single parameter,
// named _, whose text is a JSON document. See [Parameters] for what converts
// between them and Go types.
//
// To the parameters that were requested the master adds its own, and hides what
// is called the same: ip_list, full_ip_list, full_address_list, instance_title,
// root_instance_title, root_instance_short_title, slap_computer_id,
// slap_computer_partition_id, slap_software_release_url, slap_software_type,
// slave_instance_list and timestamp. [Parameters.Requested] leaves them out. They
// have getters: [ComputerPartition.IPList],
// [ComputerPartition.Title], [ComputerPartition.Type] and so on.
//
// A filter says where an instance may be: computer_guid names a computer,
// instance_guid the host of a shared instance, and a real master knows others, such
// as partition_type. A master ignores what it does not know.
//
// Programs need not see any of this. [Parameters.Decode] fills a struct from
// either serialisation and from what a master made of the values;
// [EncodeParameters], [EncodeJSONParameters] and package softwareschema, which
// reads what a software release declares, do the reverse.
//
// # Waiting and watching
//
// Nothing in the protocol tells a program of a change: it has to ask again.
// [WaitRequest], [WaitRequestUntil], [WaitConnectionParameters] and
// [WaitRequestAll] do that for instances, with pauses that grow and differ, and
// their errors tell what was missing in the end; [WaitReady] does it for
// anything. [Computer.Watch] tells what changes on a computer, and [Changes]
// compares two looks at it, of which one may be from an earlier run.
//
// A program release requests, looks, and ends, without waiting: the agent processes
// few partitions at a time, that of the reference one, and what it would wait for
// may be next. If something is missing yet, it ends with an error or leaves a
// promise that fails: then the agent starts it again in its next pass. Masters since
// 1.26 also have it processed again as soon as one of its instances publishes. The
// end of what it wrote before it failed is what the agent reports to the master.
//
// # On the wire
//
// Reads are GET requests with a query, all else are POST requests with a form;
// the paths are those of the table. Values that are no texts, both in forms and
// in answers, are XML documents made by the Python library xml_marshaller: the
// dictionary {"a": 1} is
//
//	<marshal><dictionary id="i2"><string>a</string><int>1</int></dictionary></marshal>
//
// and an object is its class with all its attributes. Statuses of answers become
// errors as shown under Errors; 408 means that an instance is not allocated yet,
// and never a time-out.
//
//	GET   getFullComputerInformation                 Computer.SoftwareReleases, Computer.Partitions, Computer.Refresh
//	GET   getComputerInformation                     the same, of masters that do not know the other
//	GET   registerComputerPartition                  Client.ComputerPartition, ComputerPartition.Refresh
//	GET   getComputerStatus                          Computer.Status
//	GET   getComputerPartitionStatus                 ComputerPartition.Status
//	GET   getSoftwareInstallationStatus              SoftwareRelease.Status
//	GET   getComputerPartitionCertificate            ComputerPartition.Certificate
//	GET   getHostingSubscriptionIpList               ComputerPartition.HostingIPAddresses
//	GET   getSoftwareReleaseListFromSoftwareProduct  Client.SoftwareReleasesOfProduct, Client.SoftwareReleasesLike
//	GET   getHateoasUrl                              Client.HateoasURL
//	POST  supplySupply                               Supply.Supply
//	POST  buildingSoftwareRelease                    SoftwareRelease.Building
//	POST  availableSoftwareRelease                   SoftwareRelease.Available
//	POST  destroyedSoftwareRelease                   SoftwareRelease.Destroyed
//	POST  softwareReleaseError                       SoftwareRelease.ReportError
//	POST  requestComputerPartition                   OpenOrder.Request, ComputerPartition.Request
//	POST  startedComputerPartition                   ComputerPartition.Started
//	POST  stoppedComputerPartition                   ComputerPartition.Stopped
//	POST  destroyedComputerPartition                 ComputerPartition.Destroyed
//	POST  softwareInstanceError                      ComputerPartition.ReportError, ComputerPartition.ReportSharedError
//	POST  softwareInstanceBang                       ComputerPartition.Bang
//	POST  softwareInstanceRename                     ComputerPartition.Rename, ComputerPartition.RenameShared
//	POST  setComputerPartitionConnectionXml          ComputerPartition.SetConnectionParameters, ComputerPartition.SetSharedConnectionParameters
//	POST  updateComputerPartitionRelatedInstanceList ComputerPartition.SetRelatedInstances
//	POST  loadComputerConfigurationFromXML           Computer.UpdateConfiguration
//	POST  useComputer                                Computer.ReportUsage
//	POST  computerBang                               Computer.Bang
//	POST  generateComputerCertificate                Computer.GenerateCertificate
//	POST  revokeComputerCertificate                  Computer.RevokeCertificate
//	POST  requestComputer                            OpenOrder.RequestComputer
//
// # Errors
//
// Every error of a call is an [Error] with operation, address, status, message
// and a hint, and is one or more of the sentinels [ErrNotFound], [ErrNotReady],
// [ErrServer], [ErrAuthentication] and [ErrConnection]:
//
//	404                     ErrNotFound
//	408                     ErrNotReady
//	401, 403                ErrAuthentication and ErrServer
//	other 4xx and 5xx       ErrServer
//	not understood          ErrServer
//	no connection, no or    ErrConnection, and what the context ended with
//	half an answer
//	TLS refused             ErrAuthentication and ErrConnection
//
// A program decides with errors.Is:
//
//	part, err := order.Request(ctx, request)
//	switch {
//	case errors.Is(err, slap.ErrNotReady): // ask again later, or use WaitReady
//	case errors.Is(err, slap.ErrNotFound): // no free partition
//	case err != nil:
//		if e, ok := errors.AsType[*slap.Error](err); ok { log.Error(e.Op, "status", e.Status, "hint", e.Hint) }
//	}
//
// # Repeating calls
//
// A call that fails may have been done all the same: a connection that breaks
// looks the same before the master acted and after it. What is known of a
// change depends on the error:
//
//	none                            done, once
//	ErrNotFound, ErrAuthentication  refused, not done; so is ErrServer with a 4xx status
//	ErrNotReady                     of a request: the master took it, and has no place yet
//	ErrConnection, other ErrServer  not known
//
// Reads are repeated a few times if there was no connection or the master was
// not ready to answer (502, 503, 504); calls that change something only if
// nothing of them was sent or HTTP/2 tells that they were not processed, never if
// the master may have acted. See [WithRetry].
// Whether to make such a call again is for the program to decide, by what comes
// of it:
//
//	same     OpenOrder.Request, RequestComputer,
//	         Supply.Supply,
//	         SoftwareRelease.Building, Available, ReportError,
//	         Computer.UpdateConfiguration,
//	         ComputerPartition.Request, Started, Stopped, Destroyed,
//	         ComputerPartition.ReportError, ReportSharedError, SetRelatedInstances,
//	         ComputerPartition.SetConnectionParameters, SetSharedConnectionParameters
//	refused  SoftwareRelease.Destroyed,
//	         Computer.GenerateCertificate, RevokeCertificate,
//	         ComputerPartition.Rename, RenameShared
//	adds     Client.Token,
//	         Computer.ReportUsage, Bang,
//	         ComputerPartition.Bang
//
// The first may simply be made again: in the end all is as after one call, unless
// somebody else changed the same thing in between, whose change is then undone.
//
// The second do no harm, but a real master refuses with ErrNotFound what is
// done already: after an error that leaves it open, that is a success. One of
// them needs more: if the answer of GenerateCertificate is lost, so is the key.
// RevokeCertificate, and generate another.
//
// The third leave something each time. A token is just another one, and reading
// it is repeated as reads are; an instance that is banged twice may be processed
// twice. A usage report that comes twice is kept once by the stand-alone master
// of this module, and as another version by a real one, which may bill it.
//
// Reports, which have no result, are taken for done if the status is 200,
// whatever the body says, as by the reference: something on the way that
// answers 200 by itself, such as a login page, can swallow them.
//
// Package slaptest has a transport with which a program is tested for all that:
// it cuts, delays, truncates and answers in the place of the master.
//
// # Transport
//
// A client keeps its connections, so make one and share it. It speaks HTTP/1.1
// and HTTP/2; a call ends at once when its context does, and without progress
// after a time ([WithTimeout]).
//
// Certificates come from files, which are read anew when they change
// ([WithKeyPair], [WithCAFile]), or from memory ([WithKeyPairPEM],
// [WithCertificate], [WithCAPEM]). User and password come from the URL or
// [WithNetrc]. Up to 30 redirects are followed, never from https to http.
// Credentials and the client certificate go to the origins that calls are
// addressed to, the master and its HATEOAS interface (the password to the
// master only), and never along with a redirect to another origin; the fields
// of a POST do go along if the redirect says so (307, 308).
//
// Answers are bounded after decompression ([WithMaxBody]). [WithCache] keeps
// them, for each identity apart, so that a program goes on while the master
// fails. [WithObserver] is for tracing and metrics, [WithLogger] for logs;
// neither is told credentials or arguments of calls.
//
// # Compatibility
//
// This client works with the stand-alone masters of slapos.core 1.6.10 and
// 1.26.1, with that of package proxy, and with real masters, which are made with
// ERP5. What it sends is what the client of release 1.26.1 sends, byte for byte,
// but for the deviations below. Masters of the age of 1.6.10 differ in this:
//
//   - They call instance trees and computers by older names in HATEOAS. The new
//     ones are tried first, then the old ones.
//   - Clients of that age ask for the software type RootSoftwareInstance where none
//     is named; this client, like its model since 1.13, for default. A program whose
//     instances were requested by such a client names the type, or both change it in
//     turns.
//   - A stand-alone master has one instance of a title, and not one in each tree.
//   - They read the requester of an instance from the form, and ignore the
//     header Authorization: X-SlapPartition that newer ones read.
//
// And stand-alone masters differ from real ones: they keep no status messages, know
// no certificates, persons and tokens (ErrNotFound), know no lists of the
// instances of a tree and of software installations (ErrServer), and answer that
// an instance is not ready only if another master says so.
//
// # Deviations
//
// What this client does otherwise than the clients of releases 1.6.10 and 1.26.1,
// and why:
//
//   - start of a session: [New] asks nothing. The address of the HATEOAS interface
//     is asked for when it is needed, once for each client, and a failure to find
//     it is told then. The model asks at the start, ignores failures, and then has
//     no HATEOAS interface for good.
//   - verification: the certificate of the master is verified, against an
//     authority of one's own if [WithCAFile] names one. The model never verifies, and
//     refuses to be given an authority. [WithoutVerification] does as it does.
//   - environment: proxies, the file .netrc and the journal of requests are used if
//     an option says so. The model looks into the environment and the home directory;
//     a library that does so surprises.
//   - repetitions: reads that failed in a way that may pass are repeated; see
//     [WithRetry]. The model never does. A master that is being restarted should not
//     fail the programs around it.
//   - redirects: none is followed from https to http, and credentials are not taken
//     to another host. The model does both, which shows them to strangers.
//   - bounds: answers larger than [WithMaxBody], nested too deeply, or referring to
//     themselves are refused, and document types are not expanded. The model reads
//     until the memory is full.
//   - character sets: an answer that does not name its character set is read as UTF-8.
//     The model takes a text for ISO-8859-1, and spoils what masters mean.
//   - instances that are not ready: a request that was answered with 408 is an error
//     at once, which is [ErrNotReady] and has the request. The model returns an object
//     whose methods fail later; in Go that is too late.
//   - getters: they never ask the master, so that they need no context and cannot fail
//     for reasons of the network; Refresh reads again. In the newer model some do, and
//     then replace the parameters of a shared instance by those of its host. On a
//     partition that was never read, parameters are empty and there is no software
//     release.
//   - connection parameters as JSON: [ComputerPartition.ConnectionParameter] finds
//     what an instance published in "_". The model has only "_" itself.
//   - null texts: a text that the master does not tell is empty.
//   - unknown partitions: a partition without identifiers sends nothing, and is
//     [ErrNotReady]. The model sends the text None in their place for connection
//     parameters.
//   - reports of errors: ReportError returns its own failure. The model swallows it;
//     a program that wants that ignores the error.
//   - missing arguments: a software release without a URL or computer, a product
//     without a name, a supply without a URL, a request without a software release or
//     a reference, and a report about a shared instance without its reference are
//     [ErrNotFound] without a request. The model has NameError, AttributeError and
//     others for some of them and sends the others: an instance of no software
//     release then fills a partition for nothing, one without a name breaks the list
//     of instances of the model's masters, and the report is taken for one about the
//     host.
//   - missing identifiers: an answer with a partition, a computer or a software release
//     that has none cannot be understood. The model fails later, or asks about None.
//   - strange arguments: identifiers that would break a header of HTTP are refused. The
//     model leaves that to the library below.
//   - other errors: what the model leaves to the libraries below it, such as their
//     HTTPError, is an [Error] too, and [ErrServer] or [ErrConnection].
//   - failures of TLS: they are [ErrAuthentication] as well as [ErrConnection]. The model
//     has the former and never raises it.
//   - certificates of computers: the promised ValueError is [ErrCertificate], besides
//     the [ErrNotFound] that masters make of it.
//   - information from a partition: [ComputerPartition.Information] works. In both models
//     it calls what does not exist.
//   - searches: lists longer than 40 are read whole, where the model stops; both names
//     of what was renamed are tried; of several equal titles the first counts; what
//     links to a host that is neither the master nor its HATEOAS interface is refused.
//   - tokens: a master that gives none is [ErrNotFound], not an error about a key.
//   - journal of requests: it never leaves the directory of its partition, whatever
//     the identifier of that or a link there says.
//
// # From the documentation to Go
//
// The interfaces of the documentation have their names here, and each of their
// methods is one of Go. What has arguments that may be left out is several. The
// arguments are in the next section.
//
//	slap
//	  initializeConnection                        New, WithKeyPair
//	  registerComputer                            Client.Computer
//	  registerComputerPartition                   Client.ComputerPartition, Client.PartitionReference
//	  registerSoftwareRelease                     Client.SoftwareRelease
//	  registerOpenOrder                           Client.OpenOrder
//	  registerSupply                              Client.Supply
//	  registerToken                               Client.Token
//	  getComputerDict                             Client.Computers
//	  getOpenOrderDict                            Client.OpenOrders
//	  getSoftwareReleaseListFromSoftwareProduct   Client.SoftwareReleasesOfProduct, Client.SoftwareReleasesLike
//	IRequester
//	  request                                     OpenOrder.Request, ComputerPartition.Request
//	  getInformation                              OpenOrder.Information, ComputerPartition.Information
//	IOpenOrder
//	  requestComputer                             OpenOrder.RequestComputer
//	ISupply
//	  supply                                      Supply.Supply
//	ISoftwareRelease
//	  getURI                                      SoftwareRelease.URI
//	  getComputerId                               SoftwareRelease.ComputerID
//	  getState                                    SoftwareRelease.State
//	  building                                    SoftwareRelease.Building
//	  available                                   SoftwareRelease.Available
//	  destroyed                                   SoftwareRelease.Destroyed
//	  error                                       SoftwareRelease.ReportError
//	IComputer
//	  getSoftwareReleaseList                      Computer.SoftwareReleases
//	  getComputerPartitionList                    Computer.Partitions
//	  getInformation                              Computer.Information
//	  getStatus                                   Computer.Status
//	  reportUsage                                 Computer.ReportUsage
//	  updateConfiguration                         Computer.UpdateConfiguration
//	  bang                                        Computer.Bang
//	  generateCertificate                         Computer.GenerateCertificate
//	  revokeCertificate                           Computer.RevokeCertificate
//	IComputerPartition
//	  getId                                       ComputerPartition.ID
//	  getInstanceGuid                             ComputerPartition.InstanceGUID
//	  getState                                    ComputerPartition.State
//	  getType                                     ComputerPartition.Type
//	  getAccessStatus                             ComputerPartition.AccessStatus
//	  getStatus                                   ComputerPartition.Status
//	  getSoftwareRelease                          ComputerPartition.SoftwareRelease
//	  getInstanceParameterDict                    ComputerPartition.InstanceParameters
//	  getInstanceParameter                        ComputerPartition.InstanceParameter
//	  getConnectionParameterDict                  ComputerPartition.ConnectionParameters
//	  getConnectionParameter                      ComputerPartition.ConnectionParameter
//	  getCertificate                              ComputerPartition.Certificate
//	  getFullHostingIpAddressList                 ComputerPartition.HostingIPAddresses
//	  started                                     ComputerPartition.Started
//	  stopped                                     ComputerPartition.Stopped
//	  destroyed                                   ComputerPartition.Destroyed
//	  error                                       ComputerPartition.ReportError, ComputerPartition.ReportSharedError
//	  bang                                        ComputerPartition.Bang
//	  rename                                      ComputerPartition.Rename, ComputerPartition.RenameShared
//	  setConnectionDict                           ComputerPartition.SetConnectionParameters, ComputerPartition.SetSharedConnectionParameters
//	  setComputerPartitionRelatedInstanceList     ComputerPartition.SetRelatedInstances
//	  setUsage                                    ComputerPartition.SetUsage, ComputerPartition.Usage
//	exceptions
//	  IException                                  Error
//	  INotFoundError                              ErrNotFound
//	  ResourceNotReady                            ErrNotReady, NotReadyError
//	  ServerError                                 ErrServer
//	  AuthenticationError                         ErrAuthentication
//	  ConnectionError                             ErrConnection
//	  ValueError                                  ErrCertificate
//
// The interfaces themselves are [ISlap], [IRequester], [IOpenOrder], [ISupply],
// [ISoftwareRelease], [IComputer] and [IComputerPartition]. What the library of
// the reference has and its documentation does not:
//
//	SoftwareProductCollection
//	  get                                         Client.SoftwareProduct
//	Token
//	  request                                     Client.Token
//	SlapHateoasNavigator
//	  getMeDocument                               Client.Me
//	  getToken                                    Client.Token
//	  getComputeNodeDict                          Client.Computers
//	  getInstanceTreeDict                         Client.OpenOrders
//	  getInstanceTreeRootSoftwareInstanceInformation  OpenOrder.Information
//	  getInstanceTreeInstanceList                 Client.TreeInstances
//	  getSoftwareInstallationList                 Client.SoftwareInstallations
//	  getSoftwareInstallationNews                 SoftwareRelease.News
//	  getComputerNews                             Computer.News
//	  getComputerPartitionNews                    ComputerPartition.News
//	  getInstanceNews                             Instance.News
//
// # Arguments and results
//
// The arguments of the documentation, by their names there:
//
//	authentification_key        WithKeyPair and relatives; or user and password in the URL
//	computer_guid               the identifier of a computer; in filter_kw the key of that name
//	computer_partition_list     the report itself, see below
//	computer_reference          the title for RequestComputer
//	configuration_xml           the text for UpdateConfiguration
//	connection_dict             the Parameters for SetConnectionParameters
//	error_log, log              the text for ReportError and Bang
//	filter_kw                   Request.Filter
//	instance_reference_list     the references for SetRelatedInstances
//	key                         the name for InstanceParameter and ConnectionParameter
//	partition_id                the identifier for Client.ComputerPartition
//	partition_parameter_kw      Request.Parameters
//	partition_reference         Request.Reference, the reference for Information, the new name for Rename
//	shared                      Request.Shared
//	slapgrid_uri                the URL for New
//	slave_reference             the shared reference for methods with Shared in their names
//	software_product_reference  the product for SoftwareReleasesOfProduct
//	software_release            Request.SoftwareRelease, the URL for Supply and Client.SoftwareRelease
//	software_release_url        the URL for SoftwareReleasesLike
//	software_type               Request.SoftwareType
//	usage_log                   the text for SetUsage
//
// Request.State and the state for Supply are arguments of the library only.
//
// Dictionaries with keys that are fixed are structs: [Status] with user, created_at
// and text, [Certificate] with key and certificate. Those of getComputerDict and
// getOpenOrderDict are lists in the order of their keys. getFullHostingIpAddressList
// gives addresses; what the documentation says of it belongs to getStatus.
// getConnectionParameter gives a text, and getInstanceParameter the value as it is.
//
// reportUsage takes a list of partitions in the documentation, and the report in
// both models and here. tio.Aggregate makes it of what [ComputerPartition.Usage]
// keeps for each.
package slap
