"""The post's networks, as arguments of whale_jax.models: (filters, depth) of each stage.

Inputs are of 256 x 256 pixels, Inception's of 299 x 299. Where the released code differs from the post, the post's
comes first and the code's is an entry of its own. `THIN` is our own, for pictures of about 128 x 128 and two CPU
cores: a residual network that shrinks the picture to a quarter before its first block and costs a tenth of ResNet-67.
"""

# Sections 4.1 and 4.2: OxfordNet with its dense layers, before the post took to batch normalisation. It gives no
# widths: these are a quarter to a half of the paper's. Section 4.3.1: the aligner.
OXFORD = {
    "name": "vgg",
    "stages": ((32, 2), (64, 2), (128, 3), (256, 3)),
    "reduce": "maxpool",
    "head": "dense",
    "norm": False,
    "dropout": 0.5,
}
ALIGNER = {
    "name": "vgg",
    "stem": (16, 7, 1),
    "stem_pool": 2,
    "stages": ((32, 3), (64, 3), (128, 3), (256, 3)),
    "dropout": 0.5,
}

# Section 4.3.2: three OxfordNets of 19 convolutions, known by the width of their last stage.
VGG19_128 = {"name": "vgg", "stages": ((48, 3), (64, 3), (80, 4), (96, 4), (128, 4)), "dropout": 0.8}
VGG19_192A = {**VGG19_128, "stages": ((48, 3), (64, 3), (80, 4), (128, 4), (192, 4))}
VGG19_192B = {**VGG19_128, "stages": ((48, 3), (64, 3), (96, 4), (128, 4), (192, 4))}

# Section 5.1: residual networks, named by their convolutions without the 1x1 shortcuts. The first one tried was like
# the paper's CIFAR-10 network with n = 3. The post gives no widths: these are twice the paper's, to end with 128
# features as the others do, and the stem is ResNet-67's, because pictures are eight times as large as CIFAR's.
RESNET19 = {"name": "resnet", "stem_pool": 3, "stages": ((32, 3), (64, 3), (128, 3)), "dropout": 0.5}
RESNET31 = {"name": "resnet", "stages": ((48, 3), (64, 3), (80, 3), (96, 3), (128, 3)), "dropout": 0.5}
RESNET37 = {**RESNET31, "stages": ((48, 3), (64, 3), (80, 3), (96, 4), (128, 5))}
RESNET67 = {"name": "resnet", "stem_pool": 3, "stages": ((48, 3), (64, 4), (80, 23), (128, 3)), "dropout": 0.8}

# Table 1 of the paper, and the same with a quarter of the filters: the post reduced them and does not say how far.
RESNET50 = {
    "name": "resnet",
    "stem": (64, 7, 2),
    "stem_pool": 3,
    "stages": ((256, 3), (512, 4), (1024, 6), (2048, 3)),
    "depth": 1,
    "bottleneck": 4,
    "dropout": 0.5,
}
RESNET50_NARROW = {**RESNET50, "stem": (16, 7, 2), "stages": ((64, 3), (128, 4), (256, 6), (512, 3))}

# As released: 37 grew to 49 by three convolutions a block in its last three stages; both networks normalise after
# each sum ("local bn": the code's own copy of batch normalisation) and have bare projections.
RESNET49_RELEASED = {**RESNET37, "stages": ((48, 3), (64, 3), (80, 3, 3), (96, 4, 3), (128, 5, 3)), "norm_sum": True}
RESNET67_RELEASED = {**RESNET67, "norm_sum": True}

# Section 5.2: Inception-v3 as it is, with dropout before the last layer, and with modules removed. Which ones, only
# the released code says; it also averaged in B and had plain rectifiers, where the post has very leaky ones throughout.
LAST = (("D",), ("E", "average"), ("E", "max"))
INCEPTION = {
    "name": "inception",
    "modules": (("A", 32), ("A", 64), ("A", 64), ("B",), ("C", 128), ("C", 160), ("C", 160), ("C", 192), *LAST),
    "dropout": 0.8,
}
INCEPTION_REDUCED = {
    "name": "inception",
    "modules": (("A", 32), ("A", 64), ("B", "average"), ("C", 128), ("C", 192), *LAST),
    "between": 0.1,
    "dropout": 0.8,
}

THIN = {"name": "resnet", "stem": (16, 7, 2), "stem_pool": 3, "stages": ((32, 2), (64, 2), (128, 2)), "dropout": 0.0}


def thinner(network):
    """The same network with half the filters in its stages."""
    return {**network, "stages": tuple((filters // 2, *rest) for filters, *rest in network["stages"])}
