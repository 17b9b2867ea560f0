package store

import (
	"context"
	"database/sql"
	"database/sql/driver"
	"errors"
	"fmt"
	"io"
	"net"
	"strings"

	"github.com/jackc/pgx/v5/pgconn"
)

// postgresHints are the ways out of errors of the server, by their code or its
// first two characters (PostgreSQL, appendix "Error Codes").
var postgresHints = map[string]string{
	"08":    "the connection was lost",
	"25006": "it is read-only: name the server that may be written to",
	"25P03": "the update took too long",
	"28":    "the server refuses the user: check the address and the password",
	"3D":    "there is no such database: create it for the proxy alone",
	"42501": "the user may not do this: it needs all rights on the tables and the schema",
	"53":    "the server lacks disk space, memory or connections",
	"53300": "the server has no connection left: raise its max_connections",
	"55P03": "another proxy keeps it locked",
	"57014": "it took too long",
	"57":    "the server was stopped or starts",
	"58":    "the server cannot read or write its files",
	"40":    "the server gave up the transaction",
	"XX":    "the server failed",
}

// explainPostgres marks errors of the server and of the connection to it that mean
// that the database cannot be used now, and adds the way out.
func explainPostgres(err error) error {
	switch {
	case err == nil, errors.Is(err, ErrUnavailable), errors.Is(err, ErrText), errors.Is(err, ErrNewer):
		return err
	case isClosed(err):
		return ErrClosed
	}
	refused := serverError(err)
	if refused != nil {
		if hint := hintFor(refused.Code); hint != "" {
			return fmt.Errorf("%w: %s: %w", ErrUnavailable, hint, err)
		}
		switch refused.Code {
		case "22021", "22P05":
			return fmt.Errorf("%w: PostgreSQL keeps UTF-8 without the character NUL: %w", ErrText, err)
		case "54000":
			return fmt.Errorf("%w: PostgreSQL keeps names, titles and addresses of releases of up to 2,600 bytes: %w", ErrText, err)
		}
		return err
	}
	if isLost(err) {
		return fmt.Errorf("%w: the server cannot be reached or the connection to it was lost: %w", ErrUnavailable, err)
	}
	return err
}

func hintFor(code string) string {
	if hint, ok := postgresHints[code]; ok {
		return hint
	}
	return postgresHints[code[:min(2, len(code))]]
}

func serverError(err error) *pgconn.PgError {
	var refused *pgconn.PgError
	if errors.As(err, &refused) {
		return refused
	}
	return nil
}

// isLost tells whether an error means that there is no connection, or none any
// more.
func isLost(err error) bool {
	if err == nil {
		return false
	}
	if refused := serverError(err); refused != nil {
		// The last words of a server that stops, or that ends this connection.
		return strings.HasPrefix(refused.Code, "57P") || strings.HasPrefix(refused.Code, "08") || refused.Code == "25P03"
	}
	var (
		connecting *pgconn.ConnectError
		network    net.Error
	)
	return errors.As(err, &connecting) || errors.As(err, &network) && !errors.Is(err, context.Canceled) ||
		errors.Is(err, driver.ErrBadConn) || errors.Is(err, io.ErrUnexpectedEOF) || errors.Is(err, io.EOF) ||
		errors.Is(err, net.ErrClosed) || errors.Is(err, sql.ErrTxDone) || pgconn.SafeToRetry(err)
}
