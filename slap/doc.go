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
// The certificate of the master is verified, unlike by the reference; see
// [WithCAFile] and [WithoutVerification].
//
// # Errors
//
// Every error of a call is an [Error] with operation, address, status, message
// and a hint, and is one or more of the sentinels [ErrNotFound], [ErrNotReady],
// [ErrServer], [ErrAuthentication] and [ErrConnection]:
//
//	part, err := order.Request(ctx, request)
//	switch {
//	case errors.Is(err, slap.ErrNotReady): // 408: ask again later, or use WaitReady
//	case errors.Is(err, slap.ErrNotFound): // no free partition
//	case err != nil:
//		if e, ok := errors.AsType[*slap.Error](err); ok { log.Error(e.Op, "status", e.Status, "hint", e.Hint) }
//	}
//
// Reads are repeated a few times if there was no connection or the master was
// not ready to answer (502, 503, 504); calls that change something only if
// nothing was sent. See [WithRetry].
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
// # From the documentation to Go
//
// The interfaces of the documentation have their names here: [ISlap],
// [IRequester], [IOpenOrder], [ISupply], [IComputer], [IComputerPartition] and
// [ISoftwareRelease]; IException is [Error]. Methods have Go names:
//
//	slap
//	  initializeConnection                        New
//	  registerComputer                            Client.Computer
//	  registerComputerPartition                   Client.ComputerPartition (reads; lazily: Client.PartitionReference)
//	  registerSoftwareRelease                     Client.SoftwareRelease
//	  registerOpenOrder                           Client.OpenOrder
//	  registerSupply                              Client.Supply
//	  registerToken, Token.request                Client.Token
//	  getComputerDict                             Client.Computers
//	  getOpenOrderDict                            Client.OpenOrders
//	  getSoftwareReleaseListFromSoftwareProduct   Client.SoftwareReleasesOfProduct, Client.SoftwareReleasesLike
//	  SoftwareProductCollection.get               Client.SoftwareProduct
//	IRequester (OpenOrder, ComputerPartition)
//	  request                                     Request
//	  getInformation                              Information
//	IOpenOrder
//	  requestComputer                             OpenOrder.RequestComputer
//	ISupply
//	  supply                                      Supply.Supply
//	ISoftwareRelease
//	  getURI, getComputerId, getState             URI, ComputerID, State
//	  building, available, destroyed              Building, Available, Destroyed
//	  error                                       ReportError
//	IComputer
//	  getSoftwareReleaseList                      Computer.SoftwareReleases
//	  getComputerPartitionList                    Computer.Partitions
//	  getInformation, getStatus                   Computer.Information, Computer.Status
//	  reportUsage                                 Computer.ReportUsage
//	  updateConfiguration                         Computer.UpdateConfiguration
//	  bang                                        Computer.Bang
//	  generateCertificate, revokeCertificate      Computer.GenerateCertificate, Computer.RevokeCertificate
//	IComputerPartition
//	  getId, getInstanceGuid                      ID, InstanceGUID
//	  getState, getType, getAccessStatus          State, Type, AccessStatus
//	  getSoftwareRelease                          SoftwareRelease
//	  getInstanceParameterDict                    InstanceParameters
//	  getInstanceParameter                        InstanceParameter
//	  getConnectionParameterDict                  ConnectionParameters
//	  getConnectionParameter                      ConnectionParameter
//	  getStatus, getCertificate                   Status, Certificate
//	  getFullHostingIpAddressList                 HostingIPAddresses
//	  started, stopped, destroyed                 Started, Stopped, Destroyed
//	  error                                       ReportError, ReportSharedError
//	  bang                                        Bang
//	  rename                                      Rename, RenameShared
//	  setConnectionDict                           SetConnectionParameters, SetSharedConnectionParameters
//	  setComputerPartitionRelatedInstanceList     SetRelatedInstances
//	  setUsage                                    SetUsage
//	Exceptions
//	  INotFoundError                              ErrNotFound
//	  ResourceNotReady                            ErrNotReady, NotReadyError
//	  ServerError                                 ErrServer
//	  AuthenticationError                         ErrAuthentication
//	  ConnectionError                             ErrConnection
//	  ValueError of certificates                  ErrCertificate
package slap
