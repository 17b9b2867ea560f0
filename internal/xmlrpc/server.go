package xmlrpc

import (
	"context"
	"errors"
	"io"
	"net/http"
	"strconv"
)

// MaxCall is the largest call that the server reads, in bytes. Calls name
// processes; answers may be long, calls are not.
const MaxCall = 1 << 20

// Caller answers one call. A refusal is returned as a *Fault; any other error
// reaches the client as a fault with code FaultInternal and the error's text.
type Caller interface {
	Call(ctx context.Context, method string, args []any) (any, error)
}

// FaultInternal is the fault code of an error that is no *Fault.
const FaultInternal = 1

// Handler returns a handler of POST requests that passes calls to c.
func Handler(c Caller) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Method != http.MethodPost {
			w.Header().Set("Allow", http.MethodPost)
			http.Error(w, "XML-RPC calls are posted", http.StatusMethodNotAllowed)
			return
		}
		document, err := io.ReadAll(http.MaxBytesReader(w, r.Body, MaxCall))
		if err != nil {
			http.Error(w, err.Error(), http.StatusBadRequest)
			return
		}
		method, args, err := DecodeCall(document)
		if err != nil {
			http.Error(w, err.Error(), http.StatusBadRequest)
			return
		}
		answer := Answer(r.Context(), c, method, args)
		w.Header().Set("Content-Type", "text/xml")
		w.Header().Set("Content-Length", strconv.Itoa(len(answer)))
		_, _ = w.Write(answer) // a client that went away is no matter
	})
}

// Answer makes one call and returns the document that answers it.
func Answer(ctx context.Context, c Caller, method string, args []any) []byte {
	result, err := c.Call(ctx, method, args)
	if err == nil {
		var document []byte
		if document, err = EncodeResponse(result); err == nil {
			return document
		}
	}
	if fault, ok := errors.AsType[*Fault](err); ok {
		return EncodeFault(fault)
	}
	return EncodeFault(&Fault{Code: FaultInternal, String: err.Error()})
}
