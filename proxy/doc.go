// Package proxy is the stand-alone master of a SlapOS cluster, as an
// http.Handler.
package proxy
