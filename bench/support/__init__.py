"""What benchmarks share: samples, peers written out, tables and curves of figures."""
