package main

import "github.com/centrifugal/centrifuge-go"

// node is a filter by tags as the protocol writes it.
type node struct {
	Op    string   `json:"op"`
	Key   string   `json:"key"`
	Cmp   string   `json:"cmp"`
	Val   string   `json:"val"`
	Vals  []string `json:"vals"`
	Nodes []*node  `json:"nodes"`
}

// filter returns the library's form of it; it panics for what the scenarios do not use.
func (n *node) filter() *centrifuge.FilterNode {
	if n == nil {
		return nil
	}
	nodes := []*centrifuge.FilterNode{}
	for _, child := range n.Nodes {
		nodes = append(nodes, child.filter())
	}
	switch {
	case n.Op == "and":
		return centrifuge.FilterAnd(nodes...)
	case n.Op == "not":
		return centrifuge.FilterNot(nodes[0])
	case n.Cmp == "in":
		return centrifuge.FilterIn(n.Key, n.Vals...)
	case n.Cmp == "lt":
		return centrifuge.FilterLt(n.Key, n.Val)
	}
	panic("no filter for " + n.Op + n.Cmp)
}
