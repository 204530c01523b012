//! Which of the free GPUs a server should get: [`by_preference`].

use crate::gpu::Gpu;

/// The free GPUs, by number, those first that a server should get that needs so many. Those behind one
/// PCIe switch together, so that they exchange data without the detour over the processor: of the
/// switches with enough free GPUs the one with the fewest first, so that the others stay whole for a
/// larger server; after these the switches with the most.
pub(crate) fn by_preference(free: &[&Gpu], needed: usize) -> Vec<u32> {
    let mut groups: Vec<Vec<u32>> = Vec::new();
    for gpu in free {
        let is_near =
            |group: &&mut Vec<u32>| group.iter().any(|it| gpu.setup.same_switch.contains(it));
        match groups.iter_mut().find(is_near) {
            Some(group) => group.push(gpu.setup.index),
            None => groups.push(vec![gpu.setup.index]),
        }
    }
    let (mut enough, mut small): (Vec<_>, Vec<_>) =
        groups.into_iter().partition(|group| group.len() >= needed);
    // Stable: of equals, the first by number.
    enough.sort_by_key(Vec::len);
    small.sort_by_key(|group| std::cmp::Reverse(group.len()));
    enough.into_iter().chain(small).flatten().collect()
}

#[cfg(test)]
mod tests {
    use perf_model::record::gpu_setup::GpuSetup;

    use super::*;

    /// Four GPUs on each of two switches, of which those are free.
    fn chosen(free: &[u32], needed: usize) -> Vec<u32> {
        let gpu = |index: &u32| {
            let switch = index / 4 * 4;
            let same_switch = (switch..switch + 4).filter(|other| other != index).collect();
            GpuSetup { index: *index, same_switch, ..GpuSetup::default() }.into()
        };
        let free: Vec<Gpu> = free.iter().map(gpu).collect();
        let mut chosen = by_preference(&free.iter().collect::<Vec<_>>(), needed);
        chosen.truncate(needed);
        chosen
    }

    #[test]
    fn a_server_gets_gpus_of_one_switch_and_breaks_no_larger_group_than_it_must() {
        assert_eq!(chosen(&[0, 1, 2, 3, 4, 5, 6, 7], 4), [0, 1, 2, 3]);
        assert_eq!(chosen(&[0, 4, 5, 6, 7], 4), [4, 5, 6, 7]);
        assert_eq!(chosen(&[0, 1, 2, 3, 6, 7], 2), [6, 7]);
        assert_eq!(chosen(&[0, 1, 2, 6], 1), [6]);
        assert_eq!(chosen(&[1, 4, 5, 6], 4), [4, 5, 6, 1]);
    }

    #[test]
    fn without_topology_the_first_are_taken() {
        let gpu = |index| Gpu::from(GpuSetup { index, ..GpuSetup::default() });
        let free = [gpu(2), gpu(5)];
        assert_eq!(by_preference(&[&free[0], &free[1]], 2), [2, 5]);
        assert_eq!(by_preference(&[&free[0], &free[1]], 1), [2, 5]);
    }
}
