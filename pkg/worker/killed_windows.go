package worker

// killed is not known here: Windows refuses memory instead of killing for it.
func (c *Client) killed() bool { return false }
