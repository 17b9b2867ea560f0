package softwareschema

import (
	"testing"

	"github.com/stretchr/testify/require"
)

// TestTypesThatNobodyLoaded cannot read what they name.
func TestTypesThatNobodyLoaded(t *testing.T) {
	made := Type{ID: "t", Request: "https://example.org/in.json", Response: "https://example.org/out.json"}
	_, err := made.ValidateRequest(t.Context(), nil)
	require.ErrorContains(t, err, "not made by a Loader")
	_, err = made.ValidateResponse(t.Context(), nil)
	require.ErrorContains(t, err, "not made by a Loader")
	_, err = made.RequestSchema(t.Context())
	var failed *LoadError
	require.ErrorAs(t, err, &failed)
	require.Equal(t, made.Request, failed.URL)
	require.Nil(t, (&Schema{}).Default())
	_, err = (&Schema{}).Type("", false)
	require.ErrorIs(t, err, ErrUnknownType)
}

func TestPasswordsOfBadAddresses(t *testing.T) {
	for _, address := range []string{"user:secret@host/software.cfg", "http:user:secret@host", "http://user:secret@%zz/", "ftp://user:secret@host/"} {
		_, err := (&Loader{}).Load(t.Context(), address)
		require.Error(t, err)
		require.NotContains(t, err.Error(), "secret", address)
	}
}
