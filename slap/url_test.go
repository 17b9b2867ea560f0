package slap

import (
	"bufio"
	"encoding/json"
	"os"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

func TestURLVectorsOfTheReference(t *testing.T) {
	file, err := os.Open("testdata/url_vectors.jsonl")
	require.NoError(t, err)
	defer file.Close()
	n := 0
	for lines := bufio.NewScanner(file); lines.Scan(); n++ {
		var v struct {
			MasterURL string `json:"master_url"`
			Base      string `json:"base"`
			Relative  string `json:"url_of_relative_path"`
			Absolute  string `json:"url_of_absolute_path"`
		}
		require.NoError(t, json.Unmarshal(lines.Bytes(), &v))
		t.Run(v.MasterURL, func(t *testing.T) {
			require.Equal(t, v.Base, baseURL(v.MasterURL))
			c, err := New(v.MasterURL)
			if !strings.HasPrefix(strings.ToLower(v.MasterURL), "http") {
				require.ErrorContains(t, err, "does not begin with http:// or https://",
					"every call of the reference fails")
				return
			}
			if v.MasterURL == "http://host:80:90/" || v.MasterURL == "http://user@fd00::1/" {
				require.Error(t, err, "every call of the reference fails")
				return
			}
			require.NoError(t, err)
			// Credentials are sent as a header.
			withoutUser := strings.NewReplacer("user:secret@", "")
			relative, err := c.resolve("getRunId")
			require.NoError(t, err)
			require.Equal(t, withoutUser.Replace(v.Relative), relative.String())
			absolute, err := c.resolve("/getRunId")
			require.NoError(t, err)
			require.Equal(t, withoutUser.Replace(v.Absolute), absolute.String())
		})
	}
	require.Equal(t, 30, n)
}

func TestMasterURLThatCannotBeUsed(t *testing.T) {
	for _, masterURL := range []string{"http://", "https:///path", "ftp://host/", "http://ho st/", "http://u:secret@h:x/", "://"} {
		_, err := New(masterURL)
		require.Error(t, err, masterURL)
		require.NotContains(t, err.Error(), "secret")
	}
}

func TestResolveKeepsEscapes(t *testing.T) {
	c := client(t, "http://host/a%2Fb//c/")
	u, err := c.resolve("getRunId")
	require.NoError(t, err)
	require.Equal(t, "http://host/a%2Fb//c/getRunId", u.String())
	u, err = c.resolve("https://other/x?mode=search&query=a%20b")
	require.NoError(t, err)
	require.Equal(t, "https://other/x?mode=search&query=a%20b", u.String())
}

func FuzzNew(f *testing.F) {
	for _, seed := range []string{"http://localhost:5000", "http://fd00::1:5000", "https://u:p@[::1]/a?b#c", "http://::ffff:1.2.3.4:80/"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, masterURL string) {
		c, err := New(masterURL)
		if err != nil {
			return
		}
		u, err := c.resolve("getRunId")
		require.NoError(t, err)
		require.True(t, strings.HasSuffix(u.Path, "/getRunId"), u.Path)
		require.True(t, strings.HasSuffix(c.URL(), "/"), c.URL())
	})
}

func FuzzMasterURL(f *testing.F) {
	for _, seed := range []string{"http://localhost:5000", "https://u:p@[fd00::1]:5000/a/b?c#d", "http://fd00::1:5000", "http://::ffff:1.2.3.4", "ftp://x"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, text string) {
		c, err := New(text)
		if err != nil {
			return
		}
		require.True(t, strings.HasSuffix(c.base.Path, "/"))
		require.Nil(t, c.base.User)
		again, err := New(c.URL())
		require.NoError(t, err)
		require.Equal(t, c.URL(), again.URL())
	})
}

// TestPasswordsOfBadURLs are in no error, wherever they stand.
func TestPasswordsOfBadURLs(t *testing.T) {
	for _, text := range []string{
		"admin:secret@host/", "admin:secret@host:5000", "//admin:secret@host/", "ftp://admin:secret@host/", "http:admin:secret@host",
		"http://admin:secret@host:port/", "http://admin:secret@[::1/", "http://admin:secret@host\x01/", "admin:se/cr:secret@host",
	} {
		_, err := New(text)
		require.Error(t, err, text)
		require.NotContains(t, err.Error(), "secret", text)
	}
	_, err := New("localhost:5000")
	require.ErrorContains(t, err, `master URL "localhost:5000" does not begin with`)
}
