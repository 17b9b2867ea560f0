// Package client talks to a supervisor daemon, the embedded one or the real
// supervisord, through the XML-RPC that both serve on a unix socket.
//
// Errors: a refusal of the daemon is an *xmlrpc.Fault whose code is one of the
// Fault constants ([IsFault] asks for one); anything else means that no daemon
// answered.
package client
