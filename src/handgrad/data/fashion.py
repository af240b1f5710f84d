"""Fashion-MNIST: 70,000 pictures of garments in MNIST's shape, and where they come from.

Zalando Research published it in 2017 as a harder drop-in for MNIST (Xiao, Rasul and Vollgraf, arXiv:1708.07747).
Its publishers state no digest of the files inflated. These MD5 sums are the ones that several independent copies
agree on (DataLad's index of the four files among them); they are checked whatever the source. MD5 tells a damaged or
another file surely; against a forger who could make two files of one sum it would not, and none made these.
"""

from handgrad.data.collection import Collection

FASHION = Collection(
    name="fashion",
    title="Fashion-MNIST",
    digests={
        "train-images-idx3-ubyte": "md5:f4a8712d7a061bf5bd6d2ca38dc4d50a",
        "train-labels-idx1-ubyte": "md5:9018921c3c673c538a1fc5bad174d6f9",
        "t10k-images-idx3-ubyte": "md5:8181f5470baa50b63fa0f6fddb340f0a",
        "t10k-labels-idx1-ubyte": "md5:15d484375f8d13e6eb1aabb0c3f46965",
    },
    sizes=(60_000, 10_000),
    image_shape=(28, 28),
    classes=(
        "T-shirt/top",
        "Trouser",
        "Pullover",
        "Dress",
        "Coat",
        "Sandal",
        "Shirt",
        "Sneaker",
        "Bag",
        "Ankle boot",
    ),
    mirrors=(
        "https://storage.googleapis.com/tensorflow/tf-keras-datasets/",  # Keras's
        "https://raw.githubusercontent.com/zalandoresearch/fashion-mnist/master/data/fashion/",  # the publishers'
    ),
    openml="Fashion-MNIST",
)
