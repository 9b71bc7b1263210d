import Compute
import Datasets
import Evaluation
import Foundation
import Model
import Reporting
import Storage
import TestSupport
import Testing

/// Real digits, the images as a model sees them.
func digits() throws -> ShardedDataset { try ShardedDataset(path: "\(repository)/data/digits") }
