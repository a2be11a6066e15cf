//! The names of keys, as a server lists them, and of datasets, as people type them.
#![no_main]

use arrowredis::dataset::DatasetName;
use arrowredis::key::{chunk_key, is_chunk_key, manifest_key, parse_chunk_key, parse_manifest_key};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|key: &[u8]| {
    let text = String::from_utf8_lossy(key);
    // The dataset is what stands before the braces, as far as there are any.
    let name = text.split(":{").next().unwrap_or_default();
    if let Ok(dataset) = DatasetName::new(name) {
        assert_eq!(dataset.as_str(), name);
        if let Some(id) = parse_chunk_key(&dataset, key) {
            assert_eq!(chunk_key(&dataset, id).as_bytes(), key);
            assert!(is_chunk_key(&dataset, &text));
        }
        let _ = is_chunk_key(&dataset, &text);
    }
    if let Some(dataset) = parse_manifest_key(&text) {
        assert_eq!(manifest_key(&dataset), text);
    }
});
