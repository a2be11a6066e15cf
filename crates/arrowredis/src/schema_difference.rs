//! The first difference between two schemas, as a part of a sentence.

use arrow_schema::{Field, Metadata, Schema};

/// In what `other` differs from `schema`, with both sides; `None` when they are equal.
pub(crate) fn schema_difference(schema: &Schema, other: &Schema) -> Option<String> {
    if schema == other {
        return None;
    }
    let (columns, others) = (schema.fields(), other.fields());
    if columns.len() != others.len() {
        return Some(format!("{} and {} columns", columns.len(), others.len()));
    }
    let pairs = columns.iter().zip(others).enumerate();
    pairs
        .filter_map(|(at, (field, other))| field_difference(at, field, other))
        .next()
        .or_else(|| metadata_difference("the schema", schema.metadata(), other.metadata()))
}

fn field_difference(at: usize, field: &Field, other: &Field) -> Option<String> {
    let name = field.name();
    if name != other.name() {
        return Some(format!("column {at} is named {name:?} and {:?}", other.name()));
    }
    if field.data_type() != other.data_type() {
        let (one, two) = (field.data_type(), other.data_type());
        return Some(format!("column {name:?} has the types {one} and {two}"));
    }
    if field.is_nullable() != other.is_nullable() {
        let nulls = |field: &Field| {
            if field.is_nullable() { "allows nulls" } else { "forbids nulls" }
        };
        return Some(format!("column {name:?} {} and {}", nulls(field), nulls(other)));
    }
    metadata_difference(&format!("column {name:?}"), field.metadata(), other.metadata())
}

fn metadata_difference(of: &str, one: &Metadata, two: &Metadata) -> Option<String> {
    let keys = one.iter().chain(two.iter()).map(|(key, _)| key);
    keys.filter(|key| one.get(key) != two.get(key)).min().map(|key| {
        format!("the metadata of {of} has {:?} and {:?} for {key:?}", one.get(key), two.get(key))
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use arrow_schema::DataType;

    fn schema(field: Field) -> Schema {
        Schema::new(vec![Field::new("id", DataType::Int64, false), field])
    }

    #[test]
    fn the_first_difference_is_named_with_both_sides() {
        let x = || Field::new("x", DataType::Utf8, true);
        let base = schema(x());
        assert_eq!(schema_difference(&base, &schema(x())), None);
        for (other, expected) in [
            (Schema::new(vec![x()]), "2 and 1 columns"),
            (schema(Field::new("y", DataType::Utf8, true)), r#"column 1 is named "x" and "y""#),
            (
                schema(Field::new("x", DataType::Int8, true)),
                r#"column "x" has the types Utf8 and Int8"#,
            ),
            (
                schema(Field::new("x", DataType::Utf8, false)),
                r#"column "x" allows nulls and forbids nulls"#,
            ),
            (
                schema(x().with_metadata(Metadata::from([("k".to_owned(), "v".to_owned())]))),
                r#"the metadata of column "x" has None and Some("v") for "k""#,
            ),
            (
                base.clone().with_metadata(Metadata::from([("a".to_owned(), "1".to_owned())])),
                r#"the metadata of the schema has None and Some("1") for "a""#,
            ),
        ] {
            assert_eq!(schema_difference(&base, &other).as_deref(), Some(expected));
        }
    }
}
