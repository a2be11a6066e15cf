//! The text that selects partitions.
#![no_main]

use arrowredis::dataset::PartitionId;
use arrowredis::read::Partitions;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|text: &str| {
    let Ok(partitions) = text.parse::<Partitions>() else { return };
    let shown = partitions.to_string();
    assert_eq!(shown.parse::<Partitions>().expect("what is shown can be read"), partitions);
    if let Partitions::Listed(ranges) = &partitions {
        for pair in ranges.windows(2) {
            assert!(pair[0].end() < pair[1].start(), "{shown}");
        }
        for range in ranges {
            assert!(partitions.contains(PartitionId(*range.start())));
            assert!(partitions.contains(PartitionId(*range.end())));
        }
    }
});
