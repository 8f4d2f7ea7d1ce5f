"""The smallest useful pipeline file, for tests that need one."""

PIPELINE_FILE = """\
name: orders
description: Will an order be sent back?
owner: {team: shop, email: shop@example.org}
source:
  reader: {kind: csv, path: "data/{partition}.csv"}
  event_time: ordered_at
  entity_key: [order_id]
labels:
  reader: {kind: csv, path: "labels/{partition}.csv"}
  column: returned
features:
  transform: jobs.pipelines.orders.transform:features
  numeric: [amount]
"""
