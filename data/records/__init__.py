"""TFRecords: schema, bytes, manifest, and the input pipeline that reads them."""
