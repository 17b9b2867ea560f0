package store

import (
	"errors"
	"fmt"
	"io"
	"testing"

	"github.com/jackc/pgx/v5/pgconn"
	"github.com/stretchr/testify/require"
)

// TestUncertainErrors keeps what is uncertain apart from what the server refused.
func TestUncertainErrors(t *testing.T) {
	lost := explainPostgres(fmt.Errorf("%w: %w", ErrUncertain, io.ErrUnexpectedEOF))
	require.ErrorIs(t, lost, ErrUncertain)
	require.ErrorIs(t, lost, ErrUnavailable)

	refused := explainPostgres(&pgconn.PgError{Code: "53100"})
	require.ErrorIs(t, refused, ErrUnavailable)
	require.False(t, errors.Is(refused, ErrUncertain))
}
