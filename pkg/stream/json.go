package stream

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
)

// maxAnswer bounds an answer that is read as a whole.
const maxAnswer = 16 << 20

// Call sends in as JSON, where it is not nil, and reads the whole answer as JSON into out, where that is not nil.
func (c *Client) Call(ctx context.Context, method, path string, in, out any) error {
	var body io.Reader
	if in != nil {
		data, err := json.Marshal(in)
		if err != nil {
			return fmt.Errorf("%s %s: %w", method, path, err)
		}
		body = bytes.NewReader(data)
	}
	r, err := c.request(ctx, method, path, body)
	if err != nil {
		return err
	}
	return c.exchange(r, path, out)
}

// Upload sends size bytes of body as they are.
func (c *Client) Upload(ctx context.Context, path string, body io.Reader, size int64) error {
	r, err := c.request(ctx, http.MethodPost, path, io.NopCloser(body))
	if err != nil {
		return err
	}
	r.ContentLength = size
	r.Header.Set("Content-Type", "application/octet-stream")
	return c.exchange(r, path, nil)
}

// exchange names the request by path alone in its errors: the one before it, in the address, may be a secret.
func (c *Client) exchange(r *http.Request, path string, out any) error {
	res, err := c.do(r)
	if err != nil {
		return err
	}
	defer res.Body.Close() //nolint:errcheck // only read
	data, err := io.ReadAll(io.LimitReader(res.Body, maxAnswer))
	if err != nil {
		return c.failure(r.Context(), err)
	}
	if out == nil {
		return nil
	}
	if err := json.Unmarshal(data, out); err != nil {
		return fmt.Errorf("%w: %s %s: %w", ErrMalformed, r.Method, path, err)
	}
	return nil
}
