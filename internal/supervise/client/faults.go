package client

import (
	"errors"
	"strconv"

	"github.com/slapos/slapos-go/internal/xmlrpc"
)

// Codes of the faults that a daemon answers with; also the status of one
// process in the answer about many.
const (
	FaultUnknownMethod        = 1
	FaultIncorrectParameters  = 2
	FaultBadArguments         = 3
	FaultSignatureUnsupported = 4
	FaultShutdownState        = 6
	FaultBadName              = 10
	FaultBadSignal            = 11
	FaultNoFile               = 20
	FaultNotExecutable        = 21
	FaultFailed               = 30
	FaultAbnormalTermination  = 40
	FaultSpawnError           = 50
	FaultAlreadyStarted       = 60
	FaultNotRunning           = 70
	FaultSuccess              = 80
	FaultAlreadyAdded         = 90
	FaultStillRunning         = 91
	FaultCantReread           = 92
)

var faultNames = map[int]string{
	FaultUnknownMethod: "UNKNOWN_METHOD", FaultIncorrectParameters: "INCORRECT_PARAMETERS",
	FaultBadArguments: "BAD_ARGUMENTS", FaultSignatureUnsupported: "SIGNATURE_UNSUPPORTED",
	FaultShutdownState: "SHUTDOWN_STATE", FaultBadName: "BAD_NAME", FaultBadSignal: "BAD_SIGNAL",
	FaultNoFile: "NO_FILE", FaultNotExecutable: "NOT_EXECUTABLE", FaultFailed: "FAILED",
	FaultAbnormalTermination: "ABNORMAL_TERMINATION", FaultSpawnError: "SPAWN_ERROR",
	FaultAlreadyStarted: "ALREADY_STARTED", FaultNotRunning: "NOT_RUNNING", FaultSuccess: "SUCCESS",
	FaultAlreadyAdded: "ALREADY_ADDED", FaultStillRunning: "STILL_RUNNING", FaultCantReread: "CANT_REREAD",
}

// FaultName returns supervisord's name of a fault code.
func FaultName(code int) string {
	if name, ok := faultNames[code]; ok {
		return name
	}
	return strconv.Itoa(code)
}

// NewFault returns a fault with supervisord's text: the name of the code,
// followed by detail if there is one.
func NewFault(code int, detail string) *xmlrpc.Fault {
	text := FaultName(code)
	if detail != "" {
		text += ": " + detail
	}
	return &xmlrpc.Fault{Code: code, String: text}
}

// IsFault reports whether err is a fault with this code.
func IsFault(err error, code int) bool {
	fault, ok := errors.AsType[*xmlrpc.Fault](err)
	return ok && fault.Code == code
}
