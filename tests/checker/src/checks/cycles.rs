//! Circles of transactions: who wrote before whom (ww), who read what whom wrote (wr).
//!
//! A call outside of a transaction counts as one of its own. Only what came into effect, and what readers of committed
//! records saw, has a part in it. A circle of reads alone is an anomaly: all of its transactions would have had to be
//! committed before one another. Circles with writes are not: records of open transactions stand between one another
//! in a partition, in the order of their arrival.

use std::collections::{BTreeMap, HashMap, VecDeque};

use crate::{
    anomaly::{Allowed, Anomaly, Kind},
    history::Isolation,
    model::{Model, Verdict},
};

use super::logs::Logs;

/// A transaction, or a call on its own by its event.
#[derive(Clone, Copy, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
enum Node {
    Transaction(usize),
    Call(usize),
}

/// Edges between numbered nodes.
#[derive(Debug, Default)]
struct Graph(Vec<Vec<usize>>);

impl Graph {
    fn add(&mut self, from: usize, to: usize) {
        if from != to {
            self.0[from].push(to);
        }
    }

    fn with(&self, other: &Self) -> Self {
        Self(self.0.iter().zip(&other.0).map(|(a, b)| a.iter().chain(b).copied().collect()).collect())
    }

    /// Groups of nodes that reach one another, of more than one node (Tarjan's algorithm, without recursion).
    fn components(&self) -> Vec<Vec<usize>> {
        const NONE: usize = usize::MAX;
        let count = self.0.len();
        let (mut index, mut low, mut on_stack) = (vec![NONE; count], vec![0; count], vec![false; count]);
        let (mut stack, mut found, mut next) = (Vec::new(), Vec::new(), 0);
        for root in 0..count {
            if index[root] != NONE {
                continue;
            }
            // A node and how many of its edges were followed.
            let mut path = vec![(root, 0)];
            while let Some((node, edge)) = path.last_mut() {
                let node = *node;
                if *edge == 0 && index[node] == NONE {
                    (index[node], low[node], on_stack[node]) = (next, next, true);
                    stack.push(node);
                    next += 1;
                }
                if let Some(&to) = self.0[node].get(*edge) {
                    *edge += 1;
                    if index[to] == NONE {
                        path.push((to, 0));
                    } else if on_stack[to] {
                        low[node] = low[node].min(index[to]);
                    }
                    continue;
                }
                path.pop();
                if let Some((parent, _)) = path.last() {
                    low[*parent] = low[*parent].min(low[node]);
                }
                if low[node] == index[node] {
                    let at = stack.iter().rposition(|on| *on == node).expect("it is on the stack");
                    let component = stack.split_off(at);
                    component.iter().for_each(|node| on_stack[*node] = false);
                    if 1 < component.len() {
                        found.push(component);
                    }
                }
            }
        }
        found
    }

    /// A shortest circle through a node of a component.
    fn circle(&self, component: &[usize]) -> Vec<usize> {
        let start = component[0];
        let mut from: BTreeMap<usize, usize> = BTreeMap::new();
        let mut queue = VecDeque::from([start]);
        while let Some(node) = queue.pop_front() {
            for &to in &self.0[node] {
                if to == start {
                    let mut circle = vec![node];
                    while let Some(before) = from.get(circle.last().expect("not empty")) {
                        circle.push(*before);
                    }
                    circle.reverse();
                    return circle;
                }
                if component.contains(&to) && !from.contains_key(&to) {
                    from.insert(to, node);
                    queue.push_back(to);
                }
            }
        }
        component.to_vec()
    }
}

pub fn check(model: &Model, logs: &Logs, found: &mut Vec<Anomaly>) -> Allowed {
    let mut numbers: HashMap<Node, usize> = HashMap::new();
    let mut nodes: Vec<Node> = Vec::new();
    let mut number = |node: Node| {
        *numbers.entry(node).or_insert_with(|| {
            nodes.push(node);
            nodes.len() - 1
        })
    };
    let (mut after, mut read) = (Vec::new(), Vec::new());
    for (partition, values) in logs.in_order() {
        let in_effect = values.filter_map(|value| model.write_of(partition, value)).filter(|it| logs.is_in_effect(it));
        let nodes: Vec<usize> = in_effect
            .map(|write| number(write.transaction.map_or(Node::Call(write.asked), Node::Transaction)))
            .collect();
        after.extend(nodes.windows(2).map(|pair| (pair[0], pair[1])));
    }
    for it in model.reads.iter().filter(|read| read.isolation == Isolation::Committed) {
        let write = model.write_of(it.partition, it.value).filter(|write| logs.is_in_effect(write));
        let Some(write) = write else { continue };
        let reader = match it.transaction {
            Some(number) if model.transactions[number].verdict != Verdict::Committed => continue,
            Some(number) => Node::Transaction(number),
            None => Node::Call(it.poll),
        };
        let writer = write.transaction.map_or(Node::Call(write.asked), Node::Transaction);
        read.push((number(writer), number(reader)));
    }
    let graph = |edges: &[(usize, usize)]| {
        let mut graph = Graph(vec![Vec::new(); nodes.len()]);
        edges.iter().for_each(|(from, to)| graph.add(*from, *to));
        graph
    };
    let (after, read) = (graph(&after), graph(&read));
    let circles = read.components();
    for component in &circles {
        let circle = read.circle(component).into_iter().map(|number| match nodes[number] {
            Node::Transaction(number) => {
                format!("transaction {number} of client {}", model.transactions[number].client.0)
            }
            Node::Call(at) => format!("the call at event {at}"),
        });
        let detail = format!("each read what the one before it wrote: {}", circle.collect::<Vec<_>>().join(", "));
        found.push(Anomaly { kind: Kind::ReadCycle, detail });
    }
    let in_read_circle = |component: &Vec<usize>| circles.iter().any(|circle| component.contains(&circle[0]));
    let write_cycles = after.components();
    let all = after.with(&read).components();
    let is_mixed = |component: &&Vec<usize>| {
        !in_read_circle(component)
            && !write_cycles
                .iter()
                .any(|writes| writes.len() == component.len() && writes.iter().all(|node| component.contains(node)))
    };
    Allowed { write_cycles: write_cycles.len(), mixed_cycles: all.iter().filter(is_mixed).count() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn components_are_nodes_that_reach_one_another() {
        let mut graph = Graph(vec![Vec::new(); 8]);
        for (from, to) in [(0, 1), (1, 2), (2, 0), (2, 3), (3, 4), (4, 3), (4, 5), (5, 6), (6, 6), (7, 0)] {
            graph.add(from, to);
        }
        let mut components = graph.components();
        components.iter_mut().for_each(|component| component.sort_unstable());
        components.sort();
        assert_eq!(components, [vec![0, 1, 2], vec![3, 4]]);
        assert_eq!(graph.circle(&[1, 0, 2]), [1, 2, 0]);
    }

    #[test]
    fn a_long_chain_needs_no_deep_stack() {
        let mut graph = Graph(vec![Vec::new(); 200_000]);
        (0..200_000).for_each(|node| graph.add(node, (node + 1) % 200_000));
        assert_eq!(graph.components().len(), 1);
    }
}
