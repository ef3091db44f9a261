package pkg

func (t *T) run(ctx context.Context, ch chan int) error {
	t.mu.Lock()
	f, err := os.Open("x")
	r, err := http.Get("x")
	defer r.Body.Close()
	k := time.NewTicker(1)
	go func() {
		select {
		case v := <-ch:
			_ = v
		case <-ctx.Done():
		}
	}()
	var c, e = net.Dial("x")
	ch <- <-k.C
	f.Close()
	return nil
}
