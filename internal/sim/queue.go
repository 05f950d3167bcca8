package sim

import "time"

// event is something that will happen at a moment of true time.
type event struct {
	at    time.Duration
	order uint64 // of two events of one moment the older one comes first
	do    func()
}

func (e event) before(f event) bool {
	return e.at < f.at || e.at == f.at && e.order < f.order
}

// queue holds what will happen: a binary heap without boxing.
type queue struct {
	heap  []event
	count uint64
}

func (q *queue) push(at time.Duration, do func()) {
	q.count++
	e := event{at, q.count, do}
	q.heap = append(q.heap, e)
	i := len(q.heap) - 1
	for i > 0 {
		up := (i - 1) / 2
		if !e.before(q.heap[up]) {
			break
		}
		q.heap[i] = q.heap[up]
		i = up
	}
	q.heap[i] = e
}

func (q *queue) pop() event {
	first := q.heap[0]
	end := len(q.heap) - 1
	e := q.heap[end]
	q.heap[end] = event{}
	q.heap = q.heap[:end]
	if end == 0 {
		return first
	}
	i := 0
	for {
		down := 2*i + 1
		if down >= end {
			break
		}
		if down+1 < end && q.heap[down+1].before(q.heap[down]) {
			down++
		}
		if !q.heap[down].before(e) {
			break
		}
		q.heap[i] = q.heap[down]
		i = down
	}
	q.heap[i] = e
	return first
}
