# SPDX-License-Identifier: Apache-2.0
"""What the language consists of, an extension a file; each exports EXTENSION. `catalogue` lists them."""
